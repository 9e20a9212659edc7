import { JsonShape, Name, PageQuery, pageOf } from '@slipway/kernel';
import { z } from 'zod';
import { LINEAGE_DEPTH_MAX } from './catalog.ts';

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** What the catalog keeps versions of. */
export const CatalogKindName = z.enum(['dataset', 'model', 'prompt', 'assistant', 'agent', 'report', 'contract', 'predictions']);
export type CatalogKindName = z.infer<typeof CatalogKindName>;

/** A version; times are RFC 3339. `meta` is null once retired. */
export const VersionBody = z.strictObject({
  id: z.string(),
  kind: CatalogKindName,
  name: Name,
  number: z.int().positive(),
  recipe: Sha256,
  content: Sha256,
  run: z.string().nullable(),
  meta: JsonShape.nullable(),
  principal: z.string(),
  createdAt: z.string(),
  retiredAt: z.string().nullable(),
  retiredReason: z.string().nullable(),
  aliases: z.array(z.string()),
});
export type VersionBody = z.infer<typeof VersionBody>;

/** Query of `GET /v1/versions`; newest first. */
export const VersionsQuery = z.object({ ...PageQuery.shape, kind: CatalogKindName.optional(), name: Name.optional() });
export const VersionsReply = pageOf(VersionBody);
export type VersionsReply = z.infer<typeof VersionsReply>;

/** A version's id in a path. */
export const VersionParams = z.object({ version: z.string().min(1).max(100) });
/** A version's id and an alias in a path. */
export const VersionAliasParams = z.object({ version: z.string().min(1).max(100), alias: z.string().min(1).max(64) });

/** Query of `GET /v1/versions/{version}/lineage`: `up` to what it was made from, `down` to what was made from it. */
export const LineageQuery = z.object({
  direction: z.enum(['up', 'down']).default('up'),
  depth: z.coerce.number().int().min(1).max(LINEAGE_DEPTH_MAX).default(LINEAGE_DEPTH_MAX),
});
/** The version asked about is the first node; `truncated` says that a limit cut something off. */
export const LineageReply = z.strictObject({
  nodes: z.array(VersionBody),
  edges: z.array(z.strictObject({ parent: z.string(), child: z.string(), role: z.string() })),
  truncated: z.boolean(),
});
export type LineageReply = z.infer<typeof LineageReply>;
