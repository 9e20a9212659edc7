import { JsonShape, PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX } from '@slipway/kernel';
import { z } from 'zod';
import { CHANGES_WAIT_MAX_MS } from './audit.ts';

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** An event without its payload. `at` is RFC 3339; all but `hash` is what the event's leaf hashes. */
export const ChangeBody = z.strictObject({
  project: z.string(),
  seq: z.int().positive(),
  id: z.string(),
  type: z.string(),
  principal: z.string(),
  subject: z.strictObject({ kind: z.string(), id: z.string() }),
  at: z.string(),
  payloadHash: Sha256,
  hash: Sha256,
});
export type ChangeBody = z.infer<typeof ChangeBody>;

/** An event with its payload, which is null once erased. */
export const AuditEventBody = z.strictObject({ ...ChangeBody.shape, data: JsonShape.nullable(), erased: z.boolean() });
export type AuditEventBody = z.infer<typeof AuditEventBody>;

const after = z.coerce.number().int().min(0).default(0).describe('Only events after this number; 0 = from the first');
const limit = z.coerce.number().int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_DEFAULT);

/** Query of `GET /v1/audit/events`. */
export const AuditEventsQuery = z.object({ after, type: z.string().max(100).optional(), limit });
/** `nextAfter` is the cursor for the next call: the last event's number, or the one that was given. */
export const AuditEventsReply = z.strictObject({ items: z.array(AuditEventBody), nextAfter: z.int().nonnegative() });
export type AuditEventsReply = z.infer<typeof AuditEventsReply>;

/** Query of `GET /v1/changes`; with `waitMs` the call waits for the first change when there is none yet. */
export const ChangesQuery = z.object({ after, limit, waitMs: z.coerce.number().int().min(0).max(CHANGES_WAIT_MAX_MS).default(0) });
export const ChangesReply = z.strictObject({ items: z.array(ChangeBody), nextAfter: z.int().nonnegative() });
export type ChangesReply = z.infer<typeof ChangesReply>;

/** Reply of `GET /v1/audit/verify`: of the caller's project. Keep the heads elsewhere as witnesses. */
export const AuditVerificationReply = z.strictObject({
  ok: z.boolean(),
  events: z.int().nonnegative(),
  problems: z.array(z.strictObject({ project: z.string(), seq: z.int(), problem: z.string() })),
  heads: z.array(z.strictObject({ project: z.string(), seq: z.int(), hash: z.string() })),
});
export type AuditVerificationReply = z.infer<typeof AuditVerificationReply>;
