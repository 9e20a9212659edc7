import type { Json } from '@slipway/kernel';
import { SHADOW_ARM } from './arm-tallies.ts';
import type { EngineRow, EngineValue } from './engine.ts';
import { DECISION_COUNTS_LIMIT } from './limits.ts';
import { DUPLICATE_ORDER_SQL, RESOLUTION_ORDER_SQL } from './resolve-outcomes.ts';

export interface CallsQuery {
  readonly release: string;
  readonly revision?: number | undefined;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface SampleQuery extends CallsQuery {
  readonly limit: number;
}

export interface DecisionsQuery extends CallsQuery {
  /** Input column whose values are the groups. */
  readonly column: string;
  readonly outcome: string;
}

/** A call as it was recorded, without what became of it. */
export interface SampledCall {
  readonly invocation: string;
  readonly eventTimeMs: number;
  readonly input: Json;
  readonly prediction: Json;
  readonly probabilities: Json | null;
}

/** How many calls of a group were answered so, and turned out so. */
export interface DecisionCount {
  /** Text of the column's value; `missing` where there was none. */
  readonly group: string;
  readonly prediction: string;
  /** Text of the outcome that stands; null where none is known. */
  readonly outcome: string | null;
  readonly count: number;
}

export function callValues(query: CallsQuery): EngineValue[] {
  return [query.release, BigInt(query.fromMs), BigInt(query.toMs)];
}

/** A key is quoted, so that no column name reaches the path's own grammar. */
export function decisionValues(query: DecisionsQuery): EngineValue[] {
  return [...callValues(query), `$."${query.column.replaceAll('"', '\\"')}"`, query.outcome];
}

/** Calls that were answered, of the release and window in $1 to $3. */
function answeredSql(query: CallsQuery): string {
  return `release = $1 and "eventTimeMs" >= $2 and "eventTimeMs" < $3 and status = 'ok' and arm <> '${SHADOW_ARM}' and output is not null and output <> 'null'
    ${query.revision === undefined ? '' : `and revision = ${Math.trunc(query.revision)}`}`;
}

const PREDICTION_SQL = `coalesce(json_extract(output, '$.prediction'), output::json)::varchar`;

export function sampleSql(invocations: string, query: SampleQuery): string {
  return `select id, hash(id)::varchar as hash, "eventTimeMs", input::varchar as input, ${PREDICTION_SQL} as prediction,
      json_extract(output, '$.probabilities')::varchar as probabilities
    from ${invocations} i where ${answeredSql(query)} and input is not null and input <> 'null'
    order by hash(id), id limit ${Math.trunc(query.limit)}`;
}

export function decisionsSql(invocations: string, outcomes: string, query: CallsQuery): string {
  return `with calls as (
      select id, coalesce(json_extract_string(input, $4), 'missing') as group_text,
        coalesce(json_extract_string(output, '$.prediction'), output::varchar) as prediction
      from ${invocations} i where ${answeredSql(query)} and input is not null and input <> 'null'),
    delivered as (
      select * from ${outcomes} o where name = $5
      qualify row_number() over (partition by invocation, "idempotencyKey" order by ${DUPLICATE_ORDER_SQL}) = 1),
    standing as (
      select * from delivered qualify row_number() over (partition by invocation order by ${RESOLUTION_ORDER_SQL}) = 1)
    select group_text, prediction, json_extract_string(standing.value::json, '$') as outcome, count(*) as calls
    from calls left join standing on standing.invocation = calls.id
    group by 1, 2, 3 order by calls desc, 1, 2, 3 limit ${DECISION_COUNTS_LIMIT}`;
}

export function toSampledCall(row: EngineRow): SampledCall {
  const json = (value: unknown): Json => (value === null || value === undefined ? null : (JSON.parse(String(value)) as Json));
  return {
    invocation: String(row['id']),
    eventTimeMs: Number(row['eventTimeMs']),
    input: json(row['input']),
    prediction: json(row['prediction']),
    probabilities: json(row['probabilities']),
  };
}
