import { createHash } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { type RandomBytes, Redacted } from '@slipway/kernel';
import { SecretKeyError } from '../errors.ts';

export const SECRET_KEY_BYTES = 32;
/** Keys that may open secrets: the current one and those before it. */
export const SECRET_KEYS_LIMIT = 8;

/** A key that secrets are sealed with; `id` names it without telling anything about it. */
export interface SecretKey {
  readonly id: string;
  readonly bytes: Buffer;
}

/** Where the keys come from. The first one seals, all of them open. */
export interface SecretKeys {
  /** What opens; empty while there is none. @throws {SecretKeyError} */
  all(): Promise<readonly SecretKey[]>;
  /** What seals; made when there is none. @throws {SecretKeyError} */
  current(): Promise<SecretKey>;
}

/**
 * Keys out of a text: 32 random bytes each, as 64 hexadecimal digits or in base64, the current one first, separated by
 * commas or line breaks. @throws {SecretKeyError} naming the place, never showing the text.
 */
export function parseSecretKeys(text: string, place: string): SecretKey[] {
  const parts = text
    .split(/[,\s]+/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (parts.length === 0 || parts.length > SECRET_KEYS_LIMIT)
    throw new SecretKeyError(`${place} must hold 1 to ${SECRET_KEYS_LIMIT} keys, and holds ${parts.length}.`);
  return parts.map((part, index) => {
    const bytes = /^[0-9a-f]{64}$/i.test(part)
      ? Buffer.from(part, 'hex')
      : /^[\w+/-]{43}=?$/.test(part)
        ? Buffer.from(part, 'base64')
        : undefined;
    if (bytes?.length !== SECRET_KEY_BYTES) {
      throw new SecretKeyError(`Key ${index + 1} of ${place} is not ${SECRET_KEY_BYTES} bytes.`, {
        help: 'Make one with: openssl rand -hex 32',
      });
    }
    return { id: keyId(bytes), bytes };
  });
}

function keyId(bytes: Uint8Array): string {
  return createHash('sha256').update('slipway.secret-key/1').update(bytes).digest('hex').slice(0, 16);
}

/**
 * The keys given by the operator, or else those of a file that only its owner can read. The file is made, flushed to the disk,
 * when the first secret is sealed; a home that keeps no secrets has none.
 */
export function openSecretKeys(options: {
  readonly path: string;
  readonly given?: Redacted | undefined;
  readonly random: RandomBytes;
}): SecretKeys {
  const { path, given, random } = options;
  const all = async () =>
    given === undefined ? parseSecretKeys((await readPrivate(path)) ?? '', path) : parseSecretKeys(given.reveal(), 'SLIPWAY_SECRET_KEY');
  const allOrNone = async () => (given === undefined && (await readPrivate(path)) === undefined ? [] : all());
  let making: Promise<void> | undefined;
  return {
    all: allOrNone,
    async current() {
      if ((await allOrNone()).length === 0) await (making ??= makeKeyFile(path, random));
      return (await all())[0] as SecretKey;
    },
  };
}

async function readPrivate(path: string): Promise<string | undefined> {
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (info === undefined) return undefined;
  if (process.platform !== 'win32' && (info.mode & 0o077) !== 0) {
    throw new SecretKeyError(`${path} can be read by others, so it is not used.`, { help: `chmod 600 ${path}` });
  }
  return readFile(path, 'utf8');
}

async function makeKeyFile(path: string, random: RandomBytes): Promise<void> {
  const bytes = Buffer.alloc(SECRET_KEY_BYTES);
  random(bytes);
  // Never over an existing one: what was sealed with it would be lost.
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(`${bytes.toString('hex')}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}
