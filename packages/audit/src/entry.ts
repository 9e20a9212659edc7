import { Name, canonicalJson } from '@slipway/kernel';
import { z } from 'zod';
import { PAYLOAD_LIMIT_BYTES, type AuditEntry } from './audit.ts';
import { InvalidEntryError, PayloadTooLargeError } from './errors.ts';

const CONTROL = /\p{Cc}/u;

/** Text that every store and hash sees as the same characters: no lone surrogates, no control characters. */
const plainText = (lengthMax: number) =>
  z
    .string()
    .min(1)
    .max(lengthMax)
    .refine((text) => text.isWellFormed() && !CONTROL.test(text), 'must have no control characters or lone surrogates');

const Entry = z.object({
  project: Name,
  type: z
    .string()
    .max(100)
    .regex(/^[a-z][a-z0-9_-]*(?:\.[a-z][a-z0-9_-]*){1,4}$/, 'use capability.thing.verb in lower case'),
  principal: plainText(200),
  subject: z.object({ kind: plainText(100), id: plainText(500) }),
  erasableSubject: plainText(500).nullable().default(null),
});

export interface CheckedEntry extends z.infer<typeof Entry> {
  readonly dataText: string;
}

/** Checks what a capability wants to append. @throws {InvalidEntryError} {@link PayloadTooLargeError} */
export function checkEntry(project: string, entry: AuditEntry): CheckedEntry {
  const parsed = Entry.safeParse({ ...entry, project });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue?.path.join('.') ?? '';
    throw new InvalidEntryError(`The audit event's ${field} is not acceptable: ${issue?.message}.`, { details: { field } });
  }
  const dataText = canonicalJson(entry.data);
  const sizeBytes = Buffer.byteLength(dataText);
  if (sizeBytes > PAYLOAD_LIMIT_BYTES) {
    throw new PayloadTooLargeError(`The payload of ${entry.type} has ${sizeBytes} bytes; ${PAYLOAD_LIMIT_BYTES} are allowed.`, {
      details: { sizeBytes, limitBytes: PAYLOAD_LIMIT_BYTES },
      help: 'Store the bytes as an object and put its hash into the event.',
    });
  }
  return { ...parsed.data, dataText };
}
