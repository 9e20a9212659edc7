import { Name, canonicalJson } from '@slipway/kernel';
import { z } from 'zod';
import { META_LIMIT_BYTES, PARENT_LIMIT, type NewVersion } from './catalog.ts';
import { InvalidVersionError } from './errors.ts';
import { ID_KINDS, looksLikeId } from './reference.ts';

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');
const ShortText = z.string().min(1).max(200);
/** What a parent was to its child. */
const RoleWord = z.string().regex(/^[a-z][a-z0-9_.-]{0,63}$/, 'use a lower-case word');

const Entry = z.object({
  project: Name,
  kind: z.enum(Object.keys(ID_KINDS) as [keyof typeof ID_KINDS]),
  name: Name.refine((name) => !looksLikeId(name), 'must not have the form of an id'),
  recipe: Sha256,
  content: Sha256,
  run: ShortText.nullable(),
  principal: ShortText,
  parents: z.array(z.object({ id: ShortText, role: RoleWord })).max(PARENT_LIMIT),
});

export interface CheckedEntry extends z.infer<typeof Entry> {
  readonly metaText: string;
}

/** Checks a version to register; equal parents are named once. @throws {InvalidVersionError} */
export function checkEntry(entry: NewVersion): CheckedEntry {
  const parsed = Entry.safeParse(entry);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue?.path.join('.') ?? '';
    throw new InvalidVersionError(`The version's ${field} is not acceptable: ${issue?.message}.`, { details: { field } });
  }
  const metaText = canonicalJson(entry.meta);
  if (Buffer.byteLength(metaText) > META_LIMIT_BYTES) {
    throw new InvalidVersionError(`The version's meta has more than ${META_LIMIT_BYTES} bytes.`, {
      details: { field: 'meta', limitBytes: META_LIMIT_BYTES },
      help: 'Store the bytes as an object and put its hash into meta.',
    });
  }
  const parents = [...new Map(parsed.data.parents.map((link) => [`${link.id} ${link.role}`, link])).values()];
  return { ...parsed.data, parents, metaText };
}
