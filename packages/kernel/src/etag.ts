import { ConflictError } from './errors.ts';
import { hashJson } from './hash.ts';

/** The thing was changed since the caller read it. */
export class EtagMismatchError extends ConflictError {
  override readonly code = 'kernel/etag-mismatch';
}

/** Entity tag of a reply's value: 128 bits of the SHA-256 of its canonical JSON, in quotes. */
export function etagOf(value: unknown): string {
  return `"${hashJson(value).slice(0, 32)}"`;
}

/** Whether an If-Match or If-None-Match header names the tag; `*` names every one. Weak tags never match. */
export function namesEtag(header: string, etag: string): boolean {
  return header.split(',').some((part) => part.trim() === '*' || part.trim() === etag);
}

/**
 * Call inside the transaction of an edit, with the header If-Match and what GET would reply now. Without the header
 * the edit goes through. @throws {EtagMismatchError}
 */
export function checkIfMatch(header: string | undefined, current: unknown): void {
  if (header === undefined || namesEtag(header, etagOf(current))) return;
  throw new EtagMismatchError('It was changed since you read it.', {
    details: { etag: etagOf(current) },
    help: 'Read it again, apply your change to that, and send its ETag as If-Match.',
  });
}
