import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { RandomBytes } from '@slipway/kernel';
import { WeakKeyError } from './errors.ts';

/** Marks our keys for secret scanners and for the eye. */
export const KEY_PREFIX = 'slw_';
export const KEY_RANDOM_BYTES = 32;
/** A key the user brings must have at least this many characters, and at most KEY_LENGTH_MAX. */
export const KEY_LENGTH_MIN = 32;
export const KEY_LENGTH_MAX = 256;
const HINT_LENGTH = 8;

const OURS = /^slw_([A-Za-z0-9_-]{43})_([0-9a-f]{8})$/;
const PRINTABLE = /^[\x21-\x7e]+$/;

function checksum(body: string): string {
  return crc32(KEY_PREFIX + body)
    .toString(16)
    .padStart(8, '0');
}

/** A fresh key: `slw_`, 256 random bits in base64url, `_`, CRC-32 of what precedes. */
export function createKeyText(random: RandomBytes): string {
  const bytes = new Uint8Array(KEY_RANDOM_BYTES);
  random(bytes);
  const body = Buffer.from(bytes).toString('base64url');
  return `${KEY_PREFIX}${body}_${checksum(body)}`;
}

/**
 * Whether a text could be a key at all, decided without any look-up: the length and, for our own form, the checksum.
 * Catches cut-off and mistyped keys; proves nothing else.
 */
export function couldBeKey(text: string): boolean {
  if (text.length < KEY_LENGTH_MIN || text.length > KEY_LENGTH_MAX) return false;
  if (!text.startsWith(KEY_PREFIX)) return PRINTABLE.test(text);
  const match = OURS.exec(text);
  return match !== null && checksum(match[1] as string) === match[2];
}

/**
 * Checks the key that a user brings as SLIPWAY_KEY. Text that starts like one of ours must be a whole one.
 * @throws {WeakKeyError} naming SLIPWAY_KEY.
 */
export function checkAdminKey(text: string): void {
  if (text.length < KEY_LENGTH_MIN || text.length > KEY_LENGTH_MAX) {
    throw new WeakKeyError(`SLIPWAY_KEY must have ${KEY_LENGTH_MIN} to ${KEY_LENGTH_MAX} characters; it has ${text.length}.`, {
      details: { variable: 'SLIPWAY_KEY', minimum: KEY_LENGTH_MIN, maximum: KEY_LENGTH_MAX, length: text.length },
      help: 'Make one with: openssl rand -base64 32. Without SLIPWAY_KEY a key is generated at the first start and shown once.',
    });
  }
  if (!PRINTABLE.test(text)) {
    throw new WeakKeyError('SLIPWAY_KEY may hold only printable ASCII characters without spaces.', {
      details: { variable: 'SLIPWAY_KEY' },
      help: 'Make one with: openssl rand -base64 32.',
    });
  }
  if (new Set(text).size < DISTINCT_CHARACTERS_MIN) {
    throw new WeakKeyError(`SLIPWAY_KEY repeats itself: it needs at least ${DISTINCT_CHARACTERS_MIN} different characters.`, {
      details: { variable: 'SLIPWAY_KEY' },
      help: 'Make one with: openssl rand -base64 32.',
    });
  }
  if (!couldBeKey(text)) {
    throw new WeakKeyError(`SLIPWAY_KEY begins with "${KEY_PREFIX}" but is no whole Slipway key; was it cut off while copying?`, {
      details: { variable: 'SLIPWAY_KEY' },
    });
  }
}

/** A key of 32 equal characters is long and still the first one an attacker tries. */
const DISTINCT_CHARACTERS_MIN = 6;

/** Lower-case hex SHA-256, the only form in which keys are stored or used as cache keys. */
export function hashKey(text: string): string {
  return hash('sha256', text, 'hex');
}

/** The few characters of a key that may be shown again. */
export function keyHint(text: string): string {
  return text.startsWith(KEY_PREFIX) ? `${text.slice(0, HINT_LENGTH)}…` : 'own key';
}
