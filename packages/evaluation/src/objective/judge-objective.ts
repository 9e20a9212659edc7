import { computeInSlices } from '@slipway/kernel';
import { Bootstrap, LEVEL_DEFAULT, RESAMPLES_DEFAULT, type ResamplePlan } from '@slipway/statistics';
import { weightedQuantile } from '../baseline.ts';
import { EvaluationInputError } from '../errors.ts';
import { affordableResamples, toValue } from '../resampling.ts';
import { costOf, decisionMetric, rowCost } from './choose-threshold.ts';
import { type DecisionCosts, OBJECTIVE_CURVE_POINT_LIMIT, type Objective, type ObjectiveResult, type UnitErrorCosts } from './contract.ts';

/** Values are given per this many rows. */
const PER = 1_000;

interface JudgeRequest {
  readonly objective: Objective;
  readonly seed: number;
  readonly resamples?: number;
  readonly level?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface JudgeDecisionsRequest extends JudgeRequest {
  /** Probability of the positive class on test rows. */
  readonly probabilities: Float64Array;
  readonly labels: Uint8Array;
  /** From which probability on the model acts. */
  readonly threshold: number;
  /** What the live version would do with the same rows: 1 = act. */
  readonly champion?: Uint8Array | undefined;
  /** What the rules of the baseline would do. */
  readonly rules?: Uint8Array | undefined;
}

export interface JudgeNumbersRequest extends JudgeRequest {
  readonly predicted: Float64Array;
  readonly truth: Float64Array;
  /** Truth of the training rows, for the best constant. */
  readonly trainTruth: Float64Array;
  readonly champion?: Float64Array | undefined;
  readonly rules?: Float64Array | undefined;
}

type AlternativeName = ObjectiveResult['alternatives'][number]['name'];

interface Choice {
  readonly name: AlternativeName;
  /** Value (minus the cost) of each row. */
  readonly values: Float64Array;
}

/** What a model's decisions are worth on rows it has not seen, against acting on none, on all, and the live version. */
export async function judgeDecisions(request: JudgeDecisionsRequest): Promise<ObjectiveResult> {
  const { objective, probabilities, labels, threshold, champion, rules } = request;
  const { costs, constraint } = objective;
  if (!costs) throw new EvaluationInputError('Decisions are judged by "costs".');
  const acts = Uint8Array.from(probabilities, (probability) => (probability >= threshold ? 1 : 0));
  const valuesOf = (act: (row: number) => boolean) =>
    Float64Array.from({ length: labels.length }, (_, row) => 0 - rowCost(act(row), labels[row] as number, costs));
  const own = valuesOf((row) => acts[row] === 1);
  const others: Choice[] = [
    { name: 'act-on-none', values: valuesOf(() => false) },
    { name: 'act-on-all', values: valuesOf(() => true) },
    ...(rules ? [{ name: 'rules' as const, values: valuesOf((row) => rules[row] === 1) }] : []),
    ...(champion ? [{ name: 'champion' as const, values: valuesOf((row) => champion[row] === 1) }] : []),
  ];
  const decided = constraint && { metric: constraint.metric, acts, labels };
  const { model, alternatives, metric } = await compare(request, own, others, decided);
  const value = metric?.value ?? null;
  return {
    kind: 'decisions',
    ...common(objective, labels.length),
    threshold,
    model,
    alternatives,
    selectionRate: acts.reduce((sum, act) => sum + act, 0) / labels.length,
    constraint: constraint
      ? {
          metric: constraint.metric,
          atLeast: constraint.atLeast ?? null,
          atMost: constraint.atMost ?? null,
          value: metric ?? { value: null, low: null, high: null },
          met: value !== null && value >= (constraint.atLeast ?? value) && value <= (constraint.atMost ?? value),
        }
      : null,
    curve: valueCurve(probabilities, labels, costs),
    verdict: verdictOf(alternatives),
    notes: [],
  };
}

/** What a model's numbers are worth on rows it has not seen, against the best constant and the live version. */
export async function judgeNumbers(request: JudgeNumbersRequest): Promise<ObjectiveResult> {
  const { objective, predicted, truth, trainTruth, champion, rules } = request;
  const costs = objective.costPerUnitError;
  if (!costs) throw new EvaluationInputError('Numbers are judged by "costPerUnitError".');
  const level = costs.under / (costs.under + costs.over);
  const constant = weightedQuantile(trainTruth, undefined, level);
  const valuesOf = (said: (row: number) => number) =>
    Float64Array.from({ length: truth.length }, (_, row) => 0 - unitCost(said(row), truth[row] as number, costs));
  const own = valuesOf((row) => predicted[row] as number);
  const others: Choice[] = [
    { name: 'constant', values: valuesOf(() => constant) },
    ...(rules ? [{ name: 'rules' as const, values: valuesOf((row) => rules[row] as number) }] : []),
    ...(champion ? [{ name: 'champion' as const, values: valuesOf((row) => champion[row] as number) }] : []),
  ];
  const { model, alternatives } = await compare(request, own, others, undefined);
  return {
    kind: 'unit-error',
    ...common(objective, truth.length),
    threshold: null,
    model,
    alternatives,
    selectionRate: null,
    constraint: null,
    curve: [],
    verdict: verdictOf(alternatives),
    notes: levelNote(predicted, truth, level),
  };
}

function common({ kpi }: Objective, rows: number): Pick<ObjectiveResult, 'kpi' | 'per' | 'rows'> {
  return { kpi: kpi ? { name: kpi.name, unit: kpi.unit } : null, per: PER, rows };
}

function unitCost(said: number, truth: number, { over, under }: UnitErrorCosts): number {
  return said > truth ? over * (said - truth) : under * (truth - said);
}

/** The costs ask for a quantile; says so when the predictions are far from it. */
function levelNote(predicted: Float64Array, truth: Float64Array, level: number): string[] {
  const covered = truth.reduce((sum, value, row) => sum + (value <= (predicted[row] as number) ? 1 : 0), 0) / truth.length;
  // Three standard errors of a share.
  if (Math.abs(covered - level) <= 3 * Math.sqrt((level * (1 - level)) / truth.length)) return [];
  const wanted = Number(level.toPrecision(3));
  return [
    `These costs are least when ${percent(level)} of the truths lie below the prediction; ${percent(covered)} do. Training for that quantile would serve them better: --loss quantile:${wanted}.`,
  ];
}

function percent(ratio: number): string {
  return `${Math.round(1000 * ratio) / 10} %`;
}

interface Decided {
  readonly metric: Parameters<typeof decisionMetric>[0];
  readonly acts: Uint8Array;
  readonly labels: Uint8Array;
}

/** Values per thousand with intervals; what is compared sees the same draws. */
async function compare(request: JudgeRequest, own: Float64Array, others: readonly Choice[], decided: Decided | undefined) {
  const { seed, signal, level = LEVEL_DEFAULT } = request;
  const resamples = affordableResamples(request.resamples ?? RESAMPLES_DEFAULT, own.length);
  const bootstrap = new Bootstrap([valuePlan(own, others, decided)], { seed: `objective:${seed}`, resamples, level });
  await computeInSlices(() => bootstrap.advance(1), signal);
  const value = (name: string) => toValue(bootstrap.interval(name));
  return {
    model: value('model'),
    alternatives: others.map(({ name }) => ({ name, value: value(name), advantage: value(`over ${name}`) })),
    metric: decided ? value('constraint') : null,
  };
}

function valuePlan(own: Float64Array, others: readonly Choice[], decided: Decided | undefined): ResamplePlan {
  const rowCount = own.length;
  const columns = [own, ...others.map((other) => other.values)];
  const names = ['model', ...others.map((other) => other.name), ...others.map((other) => `over ${other.name}`), 'constraint'];
  const sums = new Float64Array(columns.length);
  return {
    rowCount,
    names,
    evaluate(counts, out) {
      sums.fill(0);
      const cells = [0, 0, 0, 0] as [number, number, number, number];
      for (let row = 0; row < rowCount; row += 1) {
        const count = counts[row] as number;
        if (count === 0) continue;
        for (let at = 0; at < columns.length; at += 1)
          sums[at] = (sums[at] as number) + count * ((columns[at] as Float64Array)[row] as number);
        if (!decided) continue;
        const cell = ((decided.labels[row] as number) * 2 + (decided.acts[row] as number)) as 0 | 1 | 2 | 3;
        cells[cell] += count;
      }
      for (let at = 0; at < columns.length; at += 1) out[at] = (PER * (sums[at] as number)) / rowCount;
      others.forEach((_, at) => {
        out[columns.length + at] = (out[0] as number) - (out[at + 1] as number);
      });
      const counted = { trueNegative: cells[0], falsePositive: cells[1], falseNegative: cells[2], truePositive: cells[3] };
      out[names.length - 1] = decided ? decisionMetric(decided.metric, counted) : Number.NaN;
    },
  };
}

function valueCurve(probabilities: Float64Array, labels: Uint8Array, costs: DecisionCosts): ObjectiveResult['curve'] {
  const last = OBJECTIVE_CURVE_POINT_LIMIT - 1;
  // Of each label, the rows whose probability reaches a threshold but not the next one.
  const reach = [new Float64Array(last + 1), new Float64Array(last + 1)] as const;
  for (let row = 0; row < labels.length; row += 1) {
    const probability = probabilities[row] as number;
    let highest = Math.min(last, Math.floor(probability * last));
    if (highest < last && (highest + 1) / last <= probability) highest += 1;
    if (highest / last > probability) highest -= 1;
    const counts = labels[row] === 1 ? reach[1] : reach[0];
    counts[highest] = (counts[highest] as number) + 1;
  }
  const [negatives, positives] = reach.map((counts) => counts.reduce((sum, count) => sum + count, 0)) as [number, number];
  let truePositive = 0;
  let falsePositive = 0;
  const values = new Float64Array(last + 1);
  for (let at = last; at >= 0; at -= 1) {
    truePositive += reach[1][at] as number;
    falsePositive += reach[0][at] as number;
    const counts = { truePositive, falsePositive, falseNegative: positives - truePositive, trueNegative: negatives - falsePositive };
    values[at] = 0 - (PER * costOf(counts, costs)) / labels.length;
  }
  return Array.from(values, (value, index) => ({ threshold: index / last, value }));
}

const VERDICTS: Readonly<Record<AlternativeName, ObjectiveResult['verdict']>> = {
  'act-on-none': 'act-on-none',
  'act-on-all': 'act-on-all',
  constant: 'use-constant',
  rules: 'use-rules',
  champion: 'keep-champion',
};

/**
 * The model, when it is shown to be better than everything that needs no model and is not shown to be worse than the
 * champion; an alternative that is shown to be better than the model; otherwise undecided.
 */
function verdictOf(alternatives: ObjectiveResult['alternatives']): ObjectiveResult['verdict'] {
  const better = alternatives.filter(({ advantage }) => (advantage.high ?? 0) < 0);
  const [best] = better.toSorted((left, right) => (right.value.value ?? 0) - (left.value.value ?? 0));
  if (best) return VERDICTS[best.name];
  const isShown = alternatives.every(({ name, advantage }) => name === 'champion' || (advantage.low ?? 0) > 0);
  return isShown ? 'use-model' : 'undecided';
}
