import type { Json } from '@slipway/kernel';
import { z } from 'zod';
import type { EngineRow } from './engine.ts';
import { DUPLICATE_ORDER_SQL, RESOLUTION_ORDER_SQL } from './resolve-outcomes.ts';

/** A prediction with what turned out to be true of it. */
export interface Pair {
  readonly invocation: string;
  readonly revision: number;
  readonly version: string;
  readonly arm: string;
  readonly armProbability: number;
  readonly unit: string | null;
  readonly eventTimeMs: number;
  /** `output.prediction`, or the whole output of servables that have none. */
  readonly prediction: Json;
  /** `output.probabilities`: by class; null when the output has none. */
  readonly probabilities: Json | null;
  readonly outcome: Json;
  readonly weight: number;
  readonly source: string;
  readonly outcomeEventTimeMs: number;
}

export interface PairsQuery {
  readonly release: string;
  readonly revision?: number | undefined;
  readonly fromMs: number;
  readonly toMs: number;
  /** Name of the outcome: `label`. */
  readonly outcome: string;
  readonly limit: number;
}

export function pairsSql(invocations: string, outcomes: string, query: PairsQuery): string {
  return `with calls as (
      select id, revision, version, arm, "armProbability", unit, "eventTimeMs",
        coalesce(json_extract(output, '$.prediction'), output::json)::varchar as prediction,
        json_extract(output, '$.probabilities')::varchar as probabilities
      from ${invocations} i
      where release = $1 and "eventTimeMs" >= $2 and "eventTimeMs" < $3 and status = 'ok' and output is not null and output <> 'null'
        ${query.revision === undefined ? '' : 'and revision = $5'}),
    delivered as (
      select * from ${outcomes} o where name = $4
      qualify row_number() over (partition by invocation, "idempotencyKey" order by ${DUPLICATE_ORDER_SQL}) = 1),
    standing as (
      select * from delivered qualify row_number() over (partition by invocation order by ${RESOLUTION_ORDER_SQL}) = 1)
    select calls.*, standing.value as outcome, standing.weight, standing.source, standing."eventTimeMs" as "outcomeEventTimeMs"
    from calls join standing on standing.invocation = calls.id
    order by calls.id desc limit ${query.limit}`;
}

const PairRow = z.object({
  id: z.string(),
  revision: z.coerce.number(),
  version: z.string(),
  arm: z.string(),
  armProbability: z.number(),
  unit: z.string().nullable(),
  eventTimeMs: z.coerce.number(),
  prediction: z.string(),
  probabilities: z.string().nullable(),
  outcome: z.string().nullable(),
  weight: z.number(),
  source: z.string(),
  outcomeEventTimeMs: z.coerce.number(),
});

export function toPair(row: EngineRow): Pair {
  const { id, prediction, probabilities, outcome, ...rest } = PairRow.parse(row);
  return {
    invocation: id,
    ...rest,
    prediction: JSON.parse(prediction) as Json,
    probabilities: probabilities === null ? null : (JSON.parse(probabilities) as Json),
    outcome: outcome === null ? null : (JSON.parse(outcome) as Json),
  };
}
