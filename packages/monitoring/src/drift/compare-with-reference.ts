import { type FieldSketch, RARE_COUNT_LIMIT, type SketchComparison, compareSketches } from '@slipway/statistics';
import type { DatasetDrift, DriftThresholds, FieldDrift, Verdict } from '../contract.ts';
import {
  CURRENT_COUNT_MIN,
  DATASET_DRIFT_RATIO,
  DRIFT_SIGNIFICANCE,
  JS_DISTANCE_DRIFT,
  JS_DISTANCE_WARN,
  MISSING_DRIFT,
  MISSING_WARN,
  NEW_CATEGORY_WARN_RATIO,
  PSI_DRIFT,
  PSI_WARN,
  WASSERSTEIN_DRIFT,
  WASSERSTEIN_WARN,
} from '../limits.ts';
import { adjustPValues, chanceOfDifference, clampRatio, wassersteinDistance } from './field-distance.ts';
import { likelyCause } from './likely-cause.ts';

/** What holds unless a caller says otherwise. */
export const DRIFT_THRESHOLDS_DEFAULT: DriftThresholds = {
  warn: PSI_WARN,
  drift: PSI_DRIFT,
  wassersteinWarn: WASSERSTEIN_WARN,
  wassersteinDrift: WASSERSTEIN_DRIFT,
  jsDistanceWarn: JS_DISTANCE_WARN,
  jsDistanceDrift: JS_DISTANCE_DRIFT,
  missingWarn: MISSING_WARN,
  missingDrift: MISSING_DRIFT,
  minimumCount: CURRENT_COUNT_MIN,
  significance: DRIFT_SIGNIFICANCE,
};

/** Thresholds that differ from the default; undefined ones do not. */
export type ThresholdWishes = { readonly [Name in keyof DriftThresholds]?: DriftThresholds[Name] | undefined };

export interface DriftInput {
  /** Sketches of the training data by field. */
  readonly reference: ReadonlyMap<string, FieldSketch>;
  /** Sketches of the window by field; fields that the reference does not have are not looked at. */
  readonly current: ReadonlyMap<string, FieldSketch>;
  readonly thresholds?: ThresholdWishes;
  /** Thresholds of single fields, over those of all. */
  readonly fieldThresholds?: Readonly<Record<string, ThresholdWishes>>;
  /** Share of drifted input fields from which the data as a whole has drifted. */
  readonly datasetRatio?: number;
}

export interface DriftReport {
  /** The worst of the fields; `not-enough-data` only when that is true of all of them. */
  readonly verdict: Verdict;
  /** The worst first. */
  readonly fields: readonly FieldDrift[];
  readonly dataset: DatasetDrift;
}

interface Compared {
  readonly field: string;
  readonly threshold: DriftThresholds;
  readonly reference: FieldSketch;
  readonly current: FieldSketch;
  readonly comparison: SketchComparison;
  readonly wasserstein: number;
  readonly pValue: number;
}

/**
 * Compares each field of a window with its reference: numbers over the reference's deciles (PSI) and by how far they
 * moved (Wasserstein), texts over its frequent values (PSI and Jensen-Shannon distance), and the share of missing. A field
 * has drifted when the size of one of these reaches its threshold and, after correction for the number of fields, two
 * samples of one distribution would hardly differ as much. The data as a whole has drifted when enough input fields have.
 */
export function compareWithReference(input: DriftInput): DriftReport {
  const { reference, current, thresholds = {}, fieldThresholds = {} } = input;
  const limits = withWishes(DRIFT_THRESHOLDS_DEFAULT, thresholds);
  const prepared = [...reference].map(([field, sketch]) =>
    prepare(field, sketch, current.get(field), withWishes(limits, Object.hasOwn(fieldThresholds, field) ? fieldThresholds[field] : {})),
  );
  const judged = prepared.filter((each): each is Compared => 'comparison' in each && each.current.count >= each.threshold.minimumCount);
  const adjusted = new Map(adjustPValues(judged.map((each) => each.pValue)).map((value, index) => [judged[index]?.field, value]));
  const fields = prepared.map((each) => ('comparison' in each ? judge(each, adjusted.get(each.field) ?? null) : each));
  fields.sort((left, right) => SEVERITY[right.verdict] - SEVERITY[left.verdict] || (right.psi ?? -1) - (left.psi ?? -1));
  return {
    verdict: fields[0]?.verdict ?? 'not-enough-data',
    fields,
    dataset: judgeDataset(fields, input.datasetRatio ?? DATASET_DRIFT_RATIO),
  };
}

function withWishes(base: DriftThresholds, wishes: ThresholdWishes = {}): DriftThresholds {
  return {
    ...base,
    ...(Object.fromEntries(Object.entries(wishes).filter(([, value]) => value !== undefined)) as Partial<DriftThresholds>),
  };
}

const SEVERITY: Readonly<Record<Verdict, number>> = { 'not-enough-data': 0, ok: 1, warn: 2, drift: 3 };

function prepare(
  field: string,
  reference: FieldSketch,
  current: FieldSketch | undefined,
  threshold: DriftThresholds,
): Compared | FieldDrift {
  const counts = { reference: reference.count, current: current?.count ?? 0 };
  const base = { field, about: aboutOf(field), kind: reference.kind, counts, threshold };
  if (current === undefined || counts.reference === 0 || counts.current === 0) return { ...base, ...noData('no values to compare') };
  if (current.kind !== reference.kind)
    return { ...base, ...noData(`the values are ${current.kind}s, the reference has ${reference.kind}s`) };
  const comparison = compareSketches(reference, current);
  const wasserstein = wassersteinDistance(reference, current);
  return { field, threshold, reference, current, comparison, wasserstein, pValue: chanceOfDifference(comparison, reference, current) };
}

function aboutOf(field: string): FieldDrift['about'] {
  return field === 'prediction' || field.startsWith('probability:') ? 'prediction' : 'input';
}

function noData(reason: string): Omit<FieldDrift, 'field' | 'about' | 'kind' | 'counts' | 'threshold'> {
  return {
    verdict: 'not-enough-data',
    reason,
    cause: null,
    psi: null,
    wasserstein: null,
    jensenShannon: null,
    jsDistance: null,
    pValue: null,
    adjustedPValue: null,
    missingReference: null,
    missingCurrent: null,
    newCategories: [],
    bins: [],
  };
}

function judge(compared: Compared, adjusted: number | null): FieldDrift {
  const { field, reference, current, comparison, threshold, pValue } = compared;
  const judgement = verdictOf(compared, adjusted);
  const isMoved = judgement.verdict === 'warn' || judgement.verdict === 'drift';
  return {
    field,
    about: aboutOf(field),
    kind: reference.kind,
    counts: { reference: reference.count, current: current.count },
    threshold,
    ...judgement,
    cause: (isMoved ? likelyCause(comparison, reference, current) : undefined) ?? null,
    psi: comparison.psi,
    wasserstein: Number.isFinite(compared.wasserstein) ? compared.wasserstein : null,
    jensenShannon: clampRatio(comparison.jensenShannon),
    jsDistance: Math.sqrt(clampRatio(comparison.jensenShannon)),
    pValue,
    adjustedPValue: adjusted,
    missingReference: comparison.missing.reference,
    missingCurrent: comparison.missing.current,
    newCategories: comparison.newValues.map(({ value, count }) => ({ value: count < RARE_COUNT_LIMIT ? null : value, count })),
    bins: comparison.bins.map((bin) => ({ ...bin })),
  };
}

interface Effect {
  readonly name: string;
  readonly size: number;
  readonly warn: number;
  readonly drift: number;
}

function effectsOf({ reference, comparison, wasserstein, threshold }: Compared): Effect[] {
  const { missing } = comparison;
  return [
    { name: 'PSI', size: comparison.psi, warn: threshold.warn, drift: threshold.drift },
    reference.kind === 'number'
      ? { name: 'Wasserstein distance', size: wasserstein, warn: threshold.wassersteinWarn, drift: threshold.wassersteinDrift }
      : {
          name: 'Jensen-Shannon distance',
          size: Math.sqrt(clampRatio(comparison.jensenShannon)),
          warn: threshold.jsDistanceWarn,
          drift: threshold.jsDistanceDrift,
        },
    {
      name: 'difference of missing shares',
      size: Math.abs(missing.current - missing.reference),
      warn: threshold.missingWarn,
      drift: threshold.missingDrift,
    },
  ];
}

function verdictOf(compared: Compared, adjusted: number | null): { verdict: Verdict; reason: string } {
  const { comparison, current, threshold } = compared;
  if (adjusted === null) return { verdict: 'not-enough-data', reason: `${current.count} calls; a verdict needs ${threshold.minimumCount}` };
  const effects = effectsOf(compared);
  const found = (level: 'warn' | 'drift') => effects.find((effect) => effect.size >= effect[level]);
  for (const verdict of ['drift', 'warn'] as const) {
    const effect = adjusted < threshold.significance ? found(verdict) : undefined;
    if (effect) return { verdict, reason: `${effect.name} ${effect.size.toPrecision(3)} is at least ${effect[verdict]}` };
  }
  const newCount = comparison.newValues.reduce((sum, { count }) => sum + count, 0);
  if (newCount >= NEW_CATEGORY_WARN_RATIO * current.count) {
    return { verdict: 'warn', reason: `${newCount} of ${current.count} calls have a value that the reference never had` };
  }
  const byChance = found('warn') ? ', which may be chance with so many bins and fields' : '';
  return { verdict: 'ok', reason: `PSI ${comparison.psi.toPrecision(3)}${byChance}` };
}

function judgeDataset(fields: readonly FieldDrift[], ratio: number): DatasetDrift {
  const judged = fields.filter((each) => each.about === 'input' && each.verdict !== 'not-enough-data');
  const drifted = judged.filter((each) => each.verdict === 'drift').length;
  const share = judged.length === 0 ? null : drifted / judged.length;
  const verdict = share === null ? 'not-enough-data' : share >= ratio && drifted > 0 ? 'drift' : drifted > 0 ? 'warn' : 'ok';
  return { verdict, fields: judged.length, drifted, share, threshold: ratio };
}
