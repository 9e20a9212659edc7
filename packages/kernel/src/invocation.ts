import { z } from 'zod';
import { Json as JsonShape } from './json-shape.ts';

/** How much of a call is kept: everything, everything but its inputs and outputs, or nothing. */
export const RecordingPolicy = z.enum(['full', 'redacted', 'none']);
export type RecordingPolicy = z.infer<typeof RecordingPolicy>;

/** One production call as it is written before its reply. Times are milliseconds UTC. */
export const Invocation = z.strictObject({
  schema: z.literal(1),
  id: z.string(),
  requestId: z.string(),
  row: z.int().nonnegative(),
  project: z.string(),
  release: z.string(),
  revision: z.int().positive(),
  version: z.string(),
  /** Which branch of a rollout answered, and how likely that branch was. */
  arm: z.string(),
  armProbability: z.number().min(0).max(1),
  /** What traffic is split and analysed by. */
  unit: z.string().nullable(),
  /** Whose data it is. */
  subject: z.string().nullable(),
  /** The caller's time, used by windows and label delays. */
  eventTimeMs: z.int(),
  observedTimeMs: z.int(),
  replica: z.int().nonnegative(),
  principal: z.string(),
  status: z.enum(['ok', 'error', 'pending']),
  input: JsonShape.nullable(),
  output: JsonShape.nullable(),
  error: z.string().nullable(),
  run: z.string().nullable(),
  latencyMs: z.number().nonnegative(),
  costMicros: z.int().nonnegative(),
  parent: z.string().nullable(),
  trace: z.string().nullable(),
});
export type Invocation = z.infer<typeof Invocation>;

/** What turned out to be true of an invocation, or how good it was. */
export const Outcome = z.strictObject({
  schema: z.literal(1),
  id: z.string(),
  project: z.string(),
  invocation: z.string(),
  name: z.string(),
  value: JsonShape,
  source: z.string(),
  /** Ties between observations of equal time are broken by the higher rank. */
  sourceRank: z.int(),
  weight: z.number().nonnegative(),
  eventTimeMs: z.int(),
  observedTimeMs: z.int(),
  idempotencyKey: z.string(),
});
export type Outcome = z.infer<typeof Outcome>;
