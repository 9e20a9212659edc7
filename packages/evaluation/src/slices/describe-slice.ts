import type { Field } from '@slipway/kernel';
import { Bootstrap } from '@slipway/statistics';
import type { TaskData } from '../inputs.ts';
import { evaluateOnce, metricPlan } from '../metric-plan.ts';
import { primaryMetric } from '../metric-table.ts';
import type { Slice } from './contract.ts';
import { describeCondition } from './grouping.ts';
import type { RowFacts } from './row-losses.ts';
import { type Candidate, isMember, takeData } from './slice-candidate.ts';
import { type Sums, meanInterval, meanOf, minusSums, wilsonInterval } from './tests-of-means.ts';

/** Resamples behind the interval of a slice's metric, fewer for large slices. */
const SLICE_RESAMPLES = 200;
const SLICE_DRAW_LIMIT = 400_000;
const RESAMPLES_MIN = 50;

interface Context {
  readonly data: TaskData;
  readonly facts: RowFacts;
  readonly total: { readonly loss: Sums };
  readonly fields: readonly Pick<Field, 'name' | 'type'>[];
  readonly seed: number;
}

/** Everything a reader needs to judge one slice. */
export function describeSlice(
  { data, facts, total, fields, seed }: Context,
  { candidate, pValue, adjustedPValue }: { readonly candidate: Candidate; readonly pValue: number; readonly adjustedPValue: number },
): Slice {
  const { inside, outside } = rowsOf(candidate);
  const conditions = conditionsOf(candidate);
  const label = conditions.map((each) => describeCondition(each, fields.find((field) => field.name === each.column)?.type)).join(' and ');
  const rest = meanOf(minusSums(total.loss, candidate.loss));
  const { right, said, truth } = facts;
  return {
    label,
    conditions,
    rows: inside.length,
    share: inside.length / total.loss.count,
    loss: meanInterval(candidate.loss),
    restLoss: rest,
    lift: rest > 0 ? meanOf(candidate.loss) / rest : null,
    metric: metricInterval(takeData(data, inside), `slice:${seed}:${label}`),
    restMetric: metricOfRows(data, outside),
    accuracy: right ? wilsonInterval(sumAt(right, inside), inside.length) : null,
    meanPrediction: said ? sumAt(said, inside) / inside.length : null,
    meanTruth: truth ? sumAt(truth, inside) / inside.length : null,
    pValue,
    adjustedPValue,
  };
}

function conditionsOf({ first, firstGroup, second, secondGroup }: Candidate): Slice['conditions'] {
  return [first.groups[firstGroup], second?.groups[secondGroup]].filter((condition) => condition !== undefined);
}

function rowsOf(candidate: Candidate): { inside: Int32Array; outside: Int32Array } {
  const inside: number[] = [];
  const outside: number[] = [];
  for (let row = 0; row < candidate.first.codes.length; row += 1) (isMember(candidate, row) ? inside : outside).push(row);
  return { inside: Int32Array.from(inside), outside: Int32Array.from(outside) };
}

function sumAt(values: Float64Array | Uint8Array, rows: Int32Array): number {
  let sum = 0;
  for (const row of rows) sum += values[row] as number;
  return sum;
}

/** The primary metric on some rows; null where it is undefined, as the ROC AUC of one class is. */
export function metricOfRows(data: TaskData, rows: Int32Array): number | null {
  if (rows.length === 0) return null;
  const value = evaluateOnce(metricPlan(takeData(data, rows)))[primaryMetric(data.task)];
  return value === undefined || Number.isNaN(value) ? null : value;
}

function metricInterval(data: TaskData, seed: string): Slice['metric'] {
  const resamples = Math.max(RESAMPLES_MIN, Math.min(SLICE_RESAMPLES, Math.floor(SLICE_DRAW_LIMIT / data.truth.length)));
  const bootstrap = new Bootstrap([metricPlan(data)], { seed, resamples });
  bootstrap.advance(resamples);
  const { value, low, high } = bootstrap.interval(primaryMetric(data.task));
  const finite = (number: number) => (Number.isFinite(number) ? number : null);
  return { value: finite(value), low: finite(low), high: finite(high) };
}
