import { createHash } from 'node:crypto';
import { canonicalJson } from './json.ts';

/** Lower-case hex SHA-256 of text (UTF-8) or bytes. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** SHA-256 of a value's canonical JSON; equal values have equal hashes whatever the order of their keys. */
export function hashJson(value: unknown): string {
  return sha256Hex(canonicalJson(value));
}
