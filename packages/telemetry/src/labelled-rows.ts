import type { Json } from '@slipway/kernel';
import { z } from 'zod';
import { SHADOW_ARM } from './arm-tallies.ts';
import type { EngineRow, EngineValue } from './engine.ts';
import { DUPLICATE_ORDER_SQL, RESOLUTION_ORDER_SQL } from './resolve-outcomes.ts';

/** Calls of a release whose truth is known, of all revisions; event times, from inclusive, to exclusive. */
export interface LabelledQuery {
  readonly release: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** Name of the outcome: `label`. */
  readonly outcome: string;
}

export interface LabelledRowsQuery extends LabelledQuery {
  /** The newest are taken; at most {@link LABELLED_ROWS_LIMIT_MAX}. */
  readonly limit: number;
}

/** An input with the outcome that stands for it: what can be learnt from. Mirrored calls are copies and are none. */
export interface LabelledRow {
  readonly invocation: string;
  readonly eventTimeMs: number;
  readonly subject: string | null;
  readonly input: Json;
  readonly outcome: Json;
}

/** How many labelled calls a window holds, and between which event times; null without any. */
export interface LabelledSpan {
  readonly rows: number;
  readonly firstEventMs: number | null;
  readonly lastEventMs: number | null;
}

export function labelledValues(query: LabelledQuery): EngineValue[] {
  return [query.release, BigInt(query.fromMs), BigInt(query.toMs), query.outcome];
}

function labelledSql(invocations: string, outcomes: string, columns: string): string {
  return `with calls as (
      select id, "eventTimeMs"${columns} from ${invocations} i
      where release = $1 and "eventTimeMs" >= $2 and "eventTimeMs" < $3 and status = 'ok' and arm <> '${SHADOW_ARM}'
        and input is not null and input <> 'null'),
    delivered as (
      select * from ${outcomes} o where name = $4
      qualify row_number() over (partition by invocation, "idempotencyKey" order by ${DUPLICATE_ORDER_SQL}) = 1),
    standing as (
      select invocation, value from delivered
      qualify row_number() over (partition by invocation order by ${RESOLUTION_ORDER_SQL}) = 1),
    labelled as (
      select calls.*, standing.value as outcome from calls join standing on standing.invocation = calls.id
      where standing.value is not null and standing.value <> 'null')`;
}

export function labelledSpanSql(invocations: string, outcomes: string): string {
  return `${labelledSql(invocations, outcomes, '')}
    select count(*) as rows, min("eventTimeMs") as first, max("eventTimeMs") as last from labelled`;
}

export function labelledRowsSql(invocations: string, outcomes: string, limit: number): string {
  return `${labelledSql(invocations, outcomes, ', subject, input::varchar as input')}
    select id, "eventTimeMs", subject, input, outcome from labelled order by "eventTimeMs" desc, id desc limit ${Math.trunc(limit)}`;
}

const SpanRow = z.object({ rows: z.coerce.number(), first: z.coerce.number().nullable(), last: z.coerce.number().nullable() });

/** The span of several batches together. */
export function addSpan(left: LabelledSpan, row: EngineRow | undefined): LabelledSpan {
  if (row === undefined || Number(row['rows']) === 0) return left;
  const { rows, first, last } = SpanRow.parse(row);
  return {
    rows: left.rows + rows,
    firstEventMs: Math.min(left.firstEventMs ?? Infinity, first ?? Infinity),
    lastEventMs: Math.max(left.lastEventMs ?? -Infinity, last ?? -Infinity),
  };
}

const RowShape = z.object({
  id: z.string(),
  eventTimeMs: z.coerce.number(),
  subject: z.string().nullable(),
  input: z.string(),
  outcome: z.string(),
});

export function toLabelledRow(row: EngineRow): LabelledRow {
  const { id, input, outcome, ...rest } = RowShape.parse(row);
  return { invocation: id, ...rest, input: JSON.parse(input) as Json, outcome: JSON.parse(outcome) as Json };
}

/** By event time, the newest first; ids decide between equal ones. */
export function newestEventFirst(left: LabelledRow, right: LabelledRow): number {
  return right.eventTimeMs - left.eventTimeMs || (left.invocation < right.invocation ? 1 : -1);
}
