import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Identity } from '@slipway/identity';
import { type Principal, Redacted } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';

const LOCAL_TOKEN_BYTES = 32;

/**
 * Adds the home's own token to the keys of the store: commands of the same user on the same machine act with it when no
 * key is set (docs/decisions/0003). It lives in this process only.
 */
export function withLocalToken(identity: Identity, admin: Principal): { readonly identity: Identity; readonly token: Redacted } {
  const token = new Redacted(`local_${randomBytes(LOCAL_TOKEN_BYTES).toString('base64url')}`);
  const expected = Buffer.from(sha256Hex(token.reveal()));
  const local: Principal = { ...admin, label: 'local' };
  const isLocal = (key: string) => key.startsWith('local_') && timingSafeEqual(Buffer.from(sha256Hex(key)), expected);
  return {
    token,
    identity: {
      ...identity,
      authenticate: async (key) => (isLocal(key) ? local : identity.authenticate(key)),
      authenticateCached: (key) => (isLocal(key) ? local : identity.authenticateCached(key)),
    },
  };
}
