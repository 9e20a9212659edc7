import { ERROR_KINDS, JsonShape, PageQuery, pageOf } from '@slipway/kernel';
import { z } from 'zod';

/** The states of a run in the API; the last three are ends. */
export const RunStatusShape = z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']);

const Timestamp = z.iso.datetime({ precision: 3 });

/** Why a run failed, in the form all errors have. */
export const RunErrorShape = z.object({
  code: z.string(),
  kind: z.enum(Object.keys(ERROR_KINDS) as [keyof typeof ERROR_KINDS]),
  message: z.string(),
  remedy: z.enum(['fix-input', 'retry', 'wait', 'report']),
  details: z.record(z.string(), z.unknown()),
  requestId: z.string().nullable(),
  help: z.string().nullable(),
});

/** A run as the API shows it. Timestamps are RFC 3339 in UTC. */
export const RunReply = z.object({
  id: z.string(),
  workflow: z.string(),
  version: z.int(),
  status: RunStatusShape,
  title: z.string(),
  principal: z.object({ id: z.string(), label: z.string() }),
  parent: z.string().nullable(),
  input: JsonShape,
  output: JsonShape.nullable(),
  error: RunErrorShape.nullable(),
  provenance: JsonShape,
  attempt: z.int(),
  createdAt: Timestamp,
  startedAt: Timestamp.nullable(),
  endedAt: Timestamp.nullable(),
  executor: z.string().nullable(),
});
export type RunReply = z.infer<typeof RunReply>;

export const RunPage = pageOf(RunReply);
export type RunPage = z.infer<typeof RunPage>;

/** One line of progress. */
export const RunEventReply = z.object({
  seq: z.int(),
  at: Timestamp,
  phase: z.string(),
  message: z.string().nullable(),
  ratio: z.number().nullable(),
  data: JsonShape.nullable(),
});
export type RunEventReply = z.infer<typeof RunEventReply>;

/** `nextAfter` continues the list; events of a run that goes on may follow later. */
export const RunEventPage = z.object({ items: z.array(RunEventReply), nextAfter: z.int() });
export type RunEventPage = z.infer<typeof RunEventPage>;

export const RunListQuery = PageQuery.extend({
  workflow: z.string().max(100).optional(),
  status: RunStatusShape.optional(),
  parent: z.string().max(100).optional(),
});

export const RunEventsQuery = z.object({
  /** Only events after this number. */
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(500).default(100),
  /** `1` asks for a live stream, as `Accept: text/event-stream` does. */
  stream: z.enum(['0', '1']).default('0'),
});

export const RunParams = z.object({ run: z.string().max(100) });
export const SignalParams = RunParams.extend({ name: z.string().min(1).max(100) });
export const SignalBody = z.strictObject({ value: JsonShape.optional() });
export const SignalReply = z.object({ accepted: z.literal(true) });

/**
 * The live stream (`text/event-stream`): `progress` events carry a {@link RunEventReply} and its number as id, `run`
 * events a {@link RunReply} whenever the status changes; the stream ends after the run's end.
 */
export const RUN_STREAM_EVENTS = ['progress', 'run'] as const;
