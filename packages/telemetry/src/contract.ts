import { Invocation, JsonShape, Outcome, PageQuery, pageOf, parseTime, toRfc3339 } from '@slipway/kernel';
import { z } from 'zod';
import { OUTCOMES_PER_CALL_LIMIT, OUTCOME_TEXT_LIMIT } from './limits.ts';

/** A time as RFC 3339 text or integer milliseconds UTC; read as milliseconds. */
export const TimeMs = z.union([z.string(), z.number()]).transform((value, context) => {
  const timeMs = typeof value === 'number' ? value : /^-?\d{1,16}$/.test(value) ? Number(value) : parseTime(value);
  if (timeMs === undefined || !Number.isSafeInteger(timeMs) || Math.abs(timeMs) > 8.64e15) {
    context.addIssue({ code: 'custom', message: 'expected an RFC 3339 time such as 2026-01-31T12:00:00Z, or whole milliseconds' });
    return z.NEVER;
  }
  return timeMs;
});

const shortText = z.string().min(1).max(OUTCOME_TEXT_LIMIT);

/** What turned out to be true of an invocation, as a caller says it. */
export const OutcomeInput = z.strictObject({
  invocation: z.string(),
  /** What kind of truth it is: `label` unless said otherwise. */
  name: shortText.default('label'),
  value: JsonShape,
  source: shortText.default('api'),
  /** Breaks ties between outcomes of equal time: the higher rank wins. */
  sourceRank: z.int().min(-1_000_000).max(1_000_000).default(0),
  weight: z.number().nonnegative().max(1e9).default(1),
  /** When it was observed; the later one wins. Now unless said otherwise. */
  eventTime: TimeMs.optional(),
  /** A repeated key of the same invocation and name is a duplicate. Made from the rest unless given. */
  idempotencyKey: shortText.optional(),
});
/** As callers write it: defaults may be left out. */
export type OutcomeInput = z.input<typeof OutcomeInput>;

export const OutcomesRequest = z.strictObject({ outcomes: z.array(OutcomeInput).min(1).max(OUTCOMES_PER_CALL_LIMIT) });
export type OutcomesRequest = z.input<typeof OutcomesRequest>;

/** Why one outcome of a call was not taken; the others were. */
export const OutcomeProblem = z.object({
  /** Position in the request, from 0. */
  index: z.int(),
  invocation: z.string(),
  code: z.string(),
  message: z.string(),
});
export type OutcomeProblem = z.infer<typeof OutcomeProblem>;

export const OutcomesReply = z.object({ accepted: z.int(), duplicates: z.int(), problems: z.array(OutcomeProblem) });
export type OutcomesReply = z.infer<typeof OutcomesReply>;

/** An invocation as the API shows it: times as RFC 3339. */
export const InvocationView = Invocation.omit({ schema: true, eventTimeMs: true, observedTimeMs: true }).extend({
  eventTime: z.string(),
  observedTime: z.string(),
});
export type InvocationView = z.infer<typeof InvocationView>;

export const OutcomeView = Outcome.omit({ schema: true, eventTimeMs: true, observedTimeMs: true }).extend({
  eventTime: z.string(),
  observedTime: z.string(),
  /** False when a later or higher-ranked outcome of the same name stands instead. */
  current: z.boolean(),
});
export type OutcomeView = z.infer<typeof OutcomeView>;

export const InvocationDetail = z.object({ invocation: InvocationView, outcomes: z.array(OutcomeView) });
export type InvocationDetail = z.infer<typeof InvocationDetail>;

export const InvocationPage = pageOf(InvocationView);
export type InvocationPage = z.infer<typeof InvocationPage>;

/** Filters of the list; times are the callers' event times, `from` inclusive, `to` exclusive. */
export const InvocationQuery = PageQuery.extend({
  release: z.string().optional(),
  revision: z.coerce.number().int().positive().optional(),
  version: z.string().optional(),
  unit: z.string().optional(),
  subject: z.string().optional(),
  status: z.enum(['ok', 'error', 'pending']).optional(),
  from: TimeMs.optional(),
  to: TimeMs.optional(),
});
export type InvocationQuery = z.infer<typeof InvocationQuery>;

export function toInvocationView(invocation: Invocation): InvocationView {
  const { schema: _schema, eventTimeMs, observedTimeMs, ...rest } = invocation;
  return { ...rest, eventTime: toRfc3339(eventTimeMs), observedTime: toRfc3339(observedTimeMs) };
}

export function toOutcomeView(outcome: Outcome, current: boolean): OutcomeView {
  const { schema: _schema, eventTimeMs, observedTimeMs, ...rest } = outcome;
  return { ...rest, eventTime: toRfc3339(eventTimeMs), observedTime: toRfc3339(observedTimeMs), current };
}
