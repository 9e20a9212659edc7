import { createCipheriv, createDecipheriv } from 'node:crypto';
import { type RandomBytes, Redacted } from '@slipway/kernel';
import { InvalidError } from '@slipway/kernel';
import { SecretUnreadableError } from '../errors.ts';
import { SECRET_KEY_BYTES, type SecretKey, type SecretKeys } from './secret-keys.ts';

/** Longest secret, in bytes of UTF-8. */
export const SECRET_LIMIT_BYTES = 64 * 1024;

const FORMAT = 'sealed1';
const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * What a secret belongs to. A sealed secret opens only under the very same three: moved to another project, name or destination
 * it is worthless, so that changing where a secret is sent without entering it again is refused by arithmetic.
 */
export interface SecretBinding {
  readonly project: string;
  /** What uses it, such as `monitoring.channel/chn_1`. */
  readonly name: string;
  /** Where it is sent, such as `smtp://mail.example.com:587`. */
  readonly destination: string;
}

/** Seals secrets for storage and opens them again for their use. */
export interface SecretBox {
  /** @returns text that may be stored anywhere. @throws {InvalidError} beyond {@link SECRET_LIMIT_BYTES}; {@link SecretKeyError} */
  seal(secret: string, binding: SecretBinding): Promise<string>;
  /** @throws {SecretUnreadableError} when its key is not here, or when it was changed or belongs to something else. */
  open(sealed: string, binding: SecretBinding): Promise<Redacted>;
  /** Whether it is sealed with the current key; what is not may be opened and sealed again. */
  isCurrent(sealed: string): Promise<boolean>;
}

/**
 * Authenticated envelope encryption: each secret has a random data key of its own (AES-256-GCM), which is stored beside it under
 * the instance's key; both are bound to {@link SecretBinding}. Source: NIST SP 800-38D.
 */
export function createSecretBox({ keys, random }: { readonly keys: SecretKeys; readonly random: RandomBytes }): SecretBox {
  return {
    async seal(secret, binding) {
      const plain = Buffer.from(secret, 'utf8');
      if (plain.length > SECRET_LIMIT_BYTES)
        throw new InvalidError(`A secret has at most ${SECRET_LIMIT_BYTES} bytes, this one ${plain.length}.`);
      const { id, bytes } = await keys.current();
      const dataKey = Buffer.alloc(SECRET_KEY_BYTES);
      random(dataKey);
      const bound = bindingBytes(binding);
      const parts = [encrypt(bytes, dataKey, bound, random), encrypt(dataKey, plain, bound, random)];
      return [FORMAT, id, ...parts.map((part) => part.toString('base64url'))].join('.');
    },
    async open(sealed, binding) {
      const { id, wrapped, body } = parseSealed(sealed);
      const key = requireKey(await keys.all(), id);
      const bound = bindingBytes(binding);
      try {
        return new Redacted(decrypt(decrypt(key.bytes, wrapped, bound), body, bound).toString('utf8'));
      } catch (cause) {
        throw new SecretUnreadableError('A stored secret was changed, or belongs to something else.', {
          cause,
          details: { name: binding.name },
          help: 'Enter it again.',
        });
      }
    },
    async isCurrent(sealed) {
      return parseSealed(sealed).id === (await keys.all())[0]?.id;
    },
  };
}

/** An array as JSON, because no choice of the three texts gives the bytes of another one. */
function bindingBytes({ project, name, destination }: SecretBinding): Buffer {
  return Buffer.from(JSON.stringify(['slipway.secret/1', project, name, destination]), 'utf8');
}

function encrypt(key: Buffer, plain: Buffer, bound: Buffer, random: RandomBytes): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  random(nonce);
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES }).setAAD(bound);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Buffer, sealed: Buffer, bound: Buffer): Buffer {
  const decipher = createDecipheriv(ALGORITHM, key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES }).setAAD(bound);
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
}

function parseSealed(sealed: string): { id: string; wrapped: Buffer; body: Buffer } {
  const [format, id = '', wrapped = '', body = '', ...more] = sealed.split('.');
  const parts = [wrapped, body].map((part) => Buffer.from(part, 'base64url'));
  if (format !== FORMAT || more.length > 0 || parts.some((part) => part.length < NONCE_BYTES + TAG_BYTES)) {
    throw new SecretUnreadableError('A stored secret is damaged.', { help: 'Enter it again.' });
  }
  return { id, wrapped: parts[0] as Buffer, body: parts[1] as Buffer };
}

function requireKey(keys: readonly SecretKey[], id: string): SecretKey {
  const key = keys.find((each) => each.id === id);
  if (key) return key;
  const here = keys.length === 0 ? 'this home has none' : `this home has ${keys.map((each) => each.id).join(', ')}`;
  throw new SecretUnreadableError(`A stored secret was sealed with key ${id}, and ${here}.`, {
    details: { key: id },
    help: "Copy secret.key from the home where it was sealed into this one, or set SLIPWAY_SECRET_KEY to that home's key; or enter the secret again.",
  });
}
