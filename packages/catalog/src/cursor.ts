import { z } from 'zod';
import { InvalidReferenceError } from './errors.ts';
import type { Position } from './version-store.ts';

const Cursor = z.tuple([z.int(), z.string().max(100)]);

/** A page's end as opaque text. */
export function encodeCursor({ createdAtMs, id }: Position): string {
  return Buffer.from(JSON.stringify([createdAtMs, id])).toString('base64url');
}

/** @throws {InvalidReferenceError} when the text is no cursor of ours. */
export function decodeCursor(cursor: string): Position {
  try {
    const [createdAtMs, id] = Cursor.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
    return { createdAtMs, id };
  } catch (cause) {
    throw new InvalidReferenceError('The cursor is not one that a list returned.', {
      cause,
      details: { field: 'cursor' },
      help: 'Begin again without a cursor, or give the nextCursor of the last page.',
    });
  }
}
