import {
  type AnytimeInterval,
  BUCKET_GROWTH,
  type BucketCounts,
  EMPTY_SUMS,
  addSums,
  anytimeInterval,
  bucketOf,
  checkSampleRatio,
  forecastUnits,
  judgeGoal,
  judgeGuardrail,
  pairedDifference,
  quantileInterval,
  quantileRatio,
  smoothedVariance,
  stratifiedDifference,
  unpairedSpread,
} from '@slipway/statistics';
import type { ArmTallies, ArmTally, PairTally, TallySums } from '@slipway/telemetry';
import type { MetricVerdict, RolloutLook, RolloutMetric, RolloutPlan } from './contract.ts';
import { measuredStep, metricKey } from './plan-rollout.ts';

/** Margins of outcomes that name none. */
const OUTCOME_MARGINS = { correct: 0.01, value: 0.05, 'absolute-error': 0.05 } as const;

export interface Weighing {
  readonly plan: RolloutPlan;
  readonly step: number;
  readonly champion: number;
  readonly candidate: number;
  readonly tallies: ArmTallies;
  readonly nowMs: number;
}

/** Both arms while one share of the traffic stood. */
interface Slice {
  readonly share: number;
  readonly champion: ArmTally;
  readonly candidate: ArmTally;
}

interface Scene extends Weighing {
  readonly slices: readonly Slice[];
  readonly pairs: PairTally | undefined;
  readonly mirrored: ArmTally | undefined;
  /** What answered while calls were mirrored. */
  readonly alone: ArmTally | undefined;
}

/** What the calls so far say about every metric. Pure; see the rules of `decideRollout` for what follows. */
export function weighEvidence(weighing: Weighing): Omit<RolloutLook, 'reason' | 'verdict'> {
  const scene = sceneOf(weighing);
  const { plan, step, slices, mirrored, alone } = scene;
  const current = measuredStep(plan, step);
  const now = slices.find((slice) => current?.kind === 'traffic' && same(slice.share, current.share));
  const pairCount = scene.pairs?.failed.count ?? 0;
  const total = (arm: 'champion' | 'candidate') => slices.reduce((sum, slice) => sum + slice[arm].failed.count, 0) + pairCount;
  return {
    atMs: weighing.nowMs,
    units: { champion: total('champion'), candidate: total('candidate') },
    stepUnits:
      current?.kind === 'shadow'
        ? { champion: alone ? pairCount : 0, candidate: mirrored ? pairCount : 0 }
        : { champion: now?.champion.failed.count ?? 0, candidate: now?.candidate.failed.count ?? 0 },
    sampleRatio: checkSampleRatio(
      slices.map(({ share, champion, candidate }) => ({ share, champion: champion.failed.count, candidate: candidate.failed.count })),
    ),
    metrics: [
      ...plan.goals.map((metric) => judge(scene, metric, 'goal', plan.alpha / plan.goals.length)),
      ...plan.guardrails.map((metric) => judge(scene, metric, 'guardrail', plan.alpha / plan.guardrails.length)),
    ],
  };
}

const same = (left: number, right: number) => Math.abs(left - right) < 1e-6;

function sceneOf(weighing: Weighing): Scene {
  const { tallies, champion, candidate } = weighing;
  const slices: Slice[] = [];
  for (const arm of tallies.arms) {
    if (arm.revision !== candidate || arm.shadow) continue;
    const other = tallies.arms.find((each) => each.revision === champion && !each.shadow && same(each.share, 1 - arm.share));
    if (other) slices.push({ share: arm.share, champion: other, candidate: arm });
  }
  return {
    ...weighing,
    slices,
    pairs: tallies.pairs.find((each) => each.revision === candidate && each.champion === champion),
    mirrored: tallies.arms.find((each) => each.revision === candidate && each.shadow),
    alone: tallies.arms.find((each) => each.revision === champion && !each.shadow && same(each.share, 1)),
  };
}

function judge(scene: Scene, metric: RolloutMetric, role: MetricVerdict['role'], alpha: number): MetricVerdict {
  if (metric.metric === 'latency') return judgeLatency(scene, metric, role, alpha);
  if (metric.metric === 'predictions') return judgePredictions(scene, metric, role, alpha);
  return judgeMean(scene, metric, role, alpha);
}

/** How a metric of means is read from a tally. */
interface MeanReading {
  readonly sums: (arm: ArmTally) => TallySums;
  readonly pair: (pairs: PairTally) => TallySums;
  readonly higherIsBetter: boolean;
  readonly margin: number;
  /** The margin is a share of the champion's mean. */
  readonly isRelative: boolean;
}

function readingOf(metric: Exclude<RolloutMetric, { metric: 'latency' | 'predictions' }>): MeanReading {
  if (metric.metric === 'error-rate')
    return { sums: (arm) => arm.failed, pair: (pairs) => pairs.failed, higherIsBetter: false, margin: metric.margin, isRelative: false };
  if (metric.metric === 'cost')
    return {
      sums: (arm) => arm.costMicros,
      pair: (pairs) => pairs.costMicros,
      higherIsBetter: false,
      margin: metric.margin,
      isRelative: true,
    };
  const key = metricKey(metric);
  return {
    sums: (arm) => arm.outcomes.get(key) ?? EMPTY_SUMS,
    pair: (pairs) => pairs.outcomes.get(key) ?? EMPTY_SUMS,
    higherIsBetter: metric.higherIsBetter ?? metric.score !== 'absolute-error',
    margin: metric.margin ?? OUTCOME_MARGINS[metric.score],
    isRelative: metric.score !== 'correct',
  };
}

function judgeMean(
  scene: Scene,
  metric: Exclude<RolloutMetric, { metric: 'latency' | 'predictions' }>,
  role: MetricVerdict['role'],
  alpha: number,
): MetricVerdict {
  const reading = readingOf(metric);
  const strata = scene.slices.map(({ champion, candidate }) => ({ champion: reading.sums(champion), candidate: reading.sums(candidate) }));
  const mirrored = scene.pairs ? reading.pair(scene.pairs) : EMPTY_SUMS;
  const baseline = strata.reduce(
    (sum, each) => addSums(sum, each.champion),
    scene.alone && mirrored.count > 0 ? reading.sums(scene.alone) : EMPTY_SUMS,
  );
  const baseMean = baseline.count === 0 ? 0 : baseline.sum / baseline.count;
  const margin = reading.isRelative ? Math.max(reading.margin * Math.abs(baseMean), 1e-9) : reading.margin;
  const pseudo = reading.isRelative ? margin : 0.5;
  const concurrent = stratifiedDifference(strata, pseudo);
  const paired = pairedDifference(mirrored, pseudo);
  const { estimate, standardError } = combine(concurrent, paired);
  const interval = anytimeInterval(estimate, standardError, { alpha, effectScale: margin });
  const verdict = verdictOf(reading.higherIsBetter ? interval : negate(interval), margin, role);
  const candidateSums = strata.reduce((sum, each) => addSums(sum, each.candidate), EMPTY_SUMS);
  const units = Math.min(concurrent.championCount, concurrent.candidateCount) + mirrored.count;
  const spread = spreadOf(scene, concurrent, paired);
  return {
    metric: metricKey(metric),
    role,
    basis: mirrored.count === 0 ? 'concurrent' : candidateSums.count === 0 ? 'paired' : 'both',
    verdict,
    champion: baseline.count === 0 ? null : baseMean,
    candidate: candidateSums.count > 0 ? candidateSums.sum / candidateSums.count : mirrored.count > 0 ? baseMean + paired.estimate : null,
    ...shown(interval),
    difference: units === 0 ? null : estimate,
    margin,
    units,
    needed:
      verdict === 'undecided' && spread !== undefined
        ? needed(scene.plan, { estimate: reading.higherIsBetter ? estimate : -estimate, standardError, spread, alpha, margin })
        : null,
    note:
      units === 0
        ? metric.metric === 'outcome'
          ? `no outcome "${metric.outcome}" for both versions yet`
          : 'no calls of both versions yet'
        : null,
  };
}

/** Pairs and units of the same time are different calls: both count, by what they know. */
function combine(left: { estimate: number; standardError: number }, right: { estimate: number; standardError: number }) {
  const weights = [left, right].map(({ standardError }) => (standardError === 0 ? 1e30 : 1 / standardError ** 2));
  const total = (weights[0] ?? 0) + (weights[1] ?? 0);
  if (total === 0) return { estimate: 0, standardError: Infinity };
  return {
    estimate: ((weights[0] ?? 0) * left.estimate + (weights[1] ?? 0) * right.estimate) / total,
    standardError: Math.sqrt(1 / total),
  };
}

function negate({ estimate, low, high }: AnytimeInterval): AnytimeInterval {
  return { estimate: -estimate, low: -high, high: -low };
}

function verdictOf(interval: AnytimeInterval, margin: number, role: MetricVerdict['role']): MetricVerdict['verdict'] {
  return role === 'goal' ? judgeGoal(interval, margin) : judgeGuardrail(interval, margin);
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

function shown({ estimate, low, high }: AnytimeInterval) {
  return { difference: finite(estimate), low: finite(low), high: finite(high) };
}

/** Standard deviation of the estimate times the root of all units, at the present share of the traffic. */
function spreadOf(
  { plan, step }: Scene,
  concurrent: { championDeviation: number; candidateDeviation: number },
  paired: { deviation: number },
): number | undefined {
  const current = measuredStep(plan, step);
  const spread =
    current?.kind === 'traffic'
      ? unpairedSpread(concurrent.championDeviation, concurrent.candidateDeviation, current.share)
      : paired.deviation;
  return Number.isFinite(spread) ? spread : undefined;
}

/** Further units until a verdict, if nothing differs and if the difference is as it looks now. @param estimate more being better. */
function needed(
  plan: RolloutPlan,
  {
    estimate,
    standardError,
    spread,
    alpha,
    margin,
  }: { estimate: number; standardError: number; spread: number; alpha: number; margin: number },
): NonNullable<MetricVerdict['needed']> {
  const known = standardError === Infinity ? 0 : (spread / standardError) ** 2;
  const further = (distance: number) => {
    const { median, p90 } = forecastUnits({ distance, spread, alpha, effectScale: margin });
    const left = (units: number | null) => (units === null ? null : Math.max(0, Math.ceil(units - known)));
    return { median: left(median), p90: left(p90) };
  };
  const asNow = plan.require === 'better' || estimate < -margin / 2 ? Math.abs(estimate) : estimate + margin;
  return { ifEqual: further(margin), ifAsNow: further(asNow) };
}

/** Quantiles are compared within the present step: those of other steps are of other times. */
function judgeLatency(
  scene: Scene,
  metric: Extract<RolloutMetric, { metric: 'latency' }>,
  role: MetricVerdict['role'],
  alpha: number,
): MetricVerdict {
  const current = measuredStep(scene.plan, scene.step);
  const now = scene.slices.find((slice) => current?.kind === 'traffic' && same(slice.share, current.share));
  const isShadow = current?.kind === 'shadow';
  const champion = floored((isShadow ? scene.alone : now?.champion)?.latency, metric.floorMs);
  const candidate = floored((isShadow ? scene.mirrored : now?.candidate)?.latency, metric.floorMs);
  const steps = scene.plan.steps.filter(({ kind }) => kind !== 'approval').length;
  const ratio = quantileRatio(champion, candidate, metric.quantile, alpha / steps);
  const left = quantileInterval(champion, metric.quantile, alpha);
  const right = quantileInterval(candidate, metric.quantile, alpha);
  const units = Math.min(left.count, right.count);
  return {
    metric: metricKey(metric),
    role,
    basis: 'concurrent',
    verdict: verdictOf({ estimate: 1 - ratio.estimate, low: 1 - ratio.high, high: 1 - ratio.low }, metric.margin, role),
    champion: left.count === 0 ? null : left.estimate,
    candidate: right.count === 0 ? null : right.estimate,
    ...shown(ratio),
    difference: units === 0 ? null : ratio.estimate,
    margin: metric.margin,
    units,
    needed: null,
    note: units === 0 ? 'no calls of both versions in this step yet' : `ratio of milliseconds; all below ${metric.floorMs} ms are the same`,
  };
}

/** What is fast enough counts as equally fast. */
function floored(counts: BucketCounts | undefined, floorMs: number): BucketCounts {
  const floor = bucketOf(floorMs);
  const kept = new Map<number, number>();
  for (const [bucket, count] of counts ?? []) {
    const at = Math.max(bucket, floor);
    kept.set(at, (kept.get(at) ?? 0) + count);
  }
  return kept;
}

/** Other answers are no reason to stop unless there are far more of one than the margin allows. */
function judgePredictions(
  scene: Scene,
  metric: Extract<RolloutMetric, { metric: 'predictions' }>,
  role: MetricVerdict['role'],
  alpha: number,
): MetricVerdict {
  const parts = predictionParts(scene, metric.margin);
  const judged = parts.map((part) => {
    const { estimate, standardError, championMean, candidateMean } = stratifiedDifference(part.strata, part.pseudo);
    const interval = anytimeInterval(estimate, standardError, { alpha: alpha / parts.length, effectScale: part.margin });
    const outside = interval.low > part.margin || interval.high < -part.margin;
    const inside = interval.low > -part.margin && interval.high < part.margin;
    const verdict: MetricVerdict['verdict'] = outside ? 'worse' : inside ? 'no-worse' : 'undecided';
    return { ...part, interval, verdict, championMean, candidateMean, size: Math.abs(estimate) / part.margin };
  });
  const furthest = judged.toSorted(
    (left, right) => Number(right.verdict === 'worse') - Number(left.verdict === 'worse') || right.size - left.size,
  )[0];
  const units = (furthest?.strata ?? []).reduce((sum, each) => sum + Math.min(each.champion.count, each.candidate.count), 0);
  return {
    metric: metricKey(metric),
    role,
    basis: 'concurrent',
    verdict:
      judged.every(({ verdict }) => verdict === 'no-worse') && judged.length > 0
        ? 'no-worse'
        : furthest?.verdict === 'worse'
          ? 'worse'
          : 'undecided',
    champion: furthest?.championMean ?? null,
    candidate: furthest?.candidateMean ?? null,
    ...(furthest ? shown(furthest.interval) : { difference: null, low: null, high: null }),
    margin: furthest?.margin ?? metric.margin,
    units,
    needed: null,
    note: furthest?.label ?? 'no predictions of both versions yet',
  };
}

interface PredictionPart {
  readonly label: string;
  readonly strata: readonly { champion: TallySums; candidate: TallySums }[];
  readonly margin: number;
  readonly pseudo: number;
}

/** The arms that predictions are compared in: live ones, or what was mirrored with what answered meanwhile. */
function predictionParts({ slices, mirrored, alone }: Scene, margin: number): PredictionPart[] {
  const arms = [...slices, ...(mirrored && alone ? [{ share: 1, champion: alone, candidate: mirrored }] : [])];
  if (arms.length === 0) return [];
  const numbers = arms.map(({ champion, candidate }) => ({ champion: champion.number, candidate: candidate.number }));
  const base = numbers.reduce((sum, each) => addSums(sum, each.champion), EMPTY_SUMS);
  if (base.count > 0 && numbers.every((each) => each.candidate.count > 0)) {
    const deviation = Math.sqrt(smoothedVariance(base, 0)) || 1;
    return [{ label: 'mean prediction', strata: numbers, margin: margin * deviation, pseudo: margin * deviation }];
  }
  const answers = new Set(arms.flatMap(({ champion, candidate }) => [...champion.answers.keys(), ...candidate.answers.keys()]));
  const of = (arm: ArmTally, answer: string): TallySums => ({ ...(arm.answers.get(answer) ?? EMPTY_SUMS), count: arm.failed.count });
  return [...answers].map((answer) => ({
    label: `share of the answer "${answer}"`,
    strata: arms.map(({ champion, candidate }) => ({ champion: of(champion, answer), candidate: of(candidate, answer) })),
    margin,
    pseudo: 0.5,
  }));
}

/** How latencies are to be bucketed for {@link weighEvidence}. */
export const TALLY_BUCKETS = { bucketGrowth: BUCKET_GROWTH, latencyMsMin: 0.01 } as const;
