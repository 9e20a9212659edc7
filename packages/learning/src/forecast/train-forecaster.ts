import type { TreeCover } from '../explain/cover.ts';
import { type Forest, predictForest } from '../trees/tree.ts';
import { chooseWeights, conformalWidths, errorFloorOf, fitColdStart, memberErrors, mixError } from './calibrate.ts';
import { type FeatureLayout, type Situation, situationsOf } from './features.ts';
import { TREE_ROWS_LIMIT, type TreeFit, fitTrees, rowsOf, spreadOrigins } from './fit.ts';
import { type Forecaster, MEMBERS, warmSteps } from './forecaster.ts';
import type { SeriesData } from './series.ts';
import { type SmoothingParameters, fitSmoothing } from './smoothing.ts';

/** Origins the backtest judges over all series, and of one series. */
const BACKTEST_ORIGINS_LIMIT = 1_000;
const BACKTEST_SERIES_ORIGINS_LIMIT = 40;
/** Share of a series that the backtest may take from its end. */
const BACKTEST_RATIO = 0.3;
/** Rows below which trees would only learn noise. */
const TREE_ROWS_MIN = 200;
/** Series whose parameters are searched one by one; the rest take the common ones. */
export const SMOOTHING_SERIES_LIMIT = 2_000;

export interface ForecasterRequest {
  readonly layout: FeatureLayout;
  readonly series: readonly SeriesData[];
  readonly seed: number | string;
  readonly onProgress?: (ratio: number, message: string) => void;
  readonly shouldStop?: () => boolean;
}

/** One line of the leaderboard: mean absolute error of the backtest in sizes of the series. */
export interface MemberScore {
  readonly member: string;
  readonly error: number | null;
  readonly weight: number;
}

export interface TrainedForecaster {
  readonly forecaster: Forecaster;
  readonly leaderboard: readonly MemberScore[];
  readonly backtest: { readonly origins: number; readonly error: number | null };
  readonly treeRows: number;
  /** How training rows spread over the trees; null without trees. */
  readonly covers: readonly TreeCover[] | null;
}

interface Plan {
  readonly series: SeriesData;
  /** Origins of the backtest, ascending; empty for a short series. */
  readonly origins: readonly number[];
  /** Values before this were not judged by. */
  readonly cut: number;
}

/** Thrown between pieces of work when `shouldStop` says so. */
export class ForecastStopped extends Error {}

/**
 * Trains a forecaster: smoothing parameters a series, one forest over all series, and, from a rolling-origin backtest on
 * the end of each series that neither has seen, the mix of members and the conformal widths; then both again on everything.
 */
export function trainForecaster(request: ForecasterRequest): TrainedForecaster {
  const { layout, series } = request;
  const { horizon, seasons } = layout.shape;
  const plans = planBacktest(series, layout);
  const canBeNegative = series.some(({ values }) => values.some((value) => value < 0));
  const honest = fitAllSmoothing(request, plans, undefined, [0, 0.4]);
  const backtests = plans.flatMap((plan) => situationsOf(plan.series, plan.origins, layout.shape, parametersOf(honest, plan.series)));
  const learnt = fitForest(request, plans, honest, true, [0.4, 0.6]);
  const corrections = learnt ? correct(layout, learnt.forest, backtests) : null;
  const backtest = { situations: backtests, corrections, horizon, canBeNegative };
  report(request, 0.62, 'mixing');
  const weights = chooseWeights(backtest);
  const errorFloor = errorFloorOf(backtest);
  const widths = conformalWidths(backtest, weights, errorFloor);
  const errors = memberErrors(backtest);
  const smoothing = fitAllSmoothing(request, plans, honest, [0.65, 0.8]);
  const final = learnt && (weights.at(-1) ?? 0) > 0 ? fitForest(request, plans, smoothing, false, [0.8, 1]) : null;
  const error = backtests.length === 0 ? Number.NaN : mixError(backtest, weights);
  const forecaster: Forecaster = {
    layout,
    smoothing,
    forest: final?.forest ?? null,
    weights,
    widths,
    errorFloor,
    cold: fitColdStart(series, seasons, horizon),
    canBeNegative,
  };
  return {
    forecaster,
    leaderboard: MEMBERS.map((member, index) => ({ member, error: errors[index] ?? null, weight: weights[index] ?? 0 })),
    backtest: { origins: backtests.length, error: Number.isNaN(error) ? null : error },
    treeRows: final?.rows ?? 0,
    covers: final?.covers ?? null,
  };
}

function report({ onProgress, shouldStop }: ForecasterRequest, ratio: number, message: string): void {
  if (shouldStop?.()) throw new ForecastStopped('The training was cancelled.');
  onProgress?.(ratio, message);
}

const parametersOf = ({ bySeries, common }: Forecaster['smoothing'], { id }: SeriesData) => bySeries.get(id) ?? common;

/** Origins at the end of each series; those too short for two cycles and a horizon have none. */
function planBacktest(series: readonly SeriesData[], layout: FeatureLayout): Plan[] {
  const { horizon } = layout.shape;
  const perSeries = Math.max(1, Math.min(BACKTEST_SERIES_ORIGINS_LIMIT, Math.floor(BACKTEST_ORIGINS_LIMIT / Math.max(1, series.length))));
  // With more series than origins allowed, evenly chosen ones are judged.
  const every = Math.max(1, Math.ceil(series.length / BACKTEST_ORIGINS_LIMIT));
  return series.map((each, index) => {
    const { length } = each.values;
    const needed = Math.max(warmSteps(layout) * 2, horizon) + horizon;
    if (length < needed || index % every !== 0) return { series: each, origins: [], cut: length };
    const span = Math.min(length - needed, Math.max(0, Math.floor(length * BACKTEST_RATIO) - horizon));
    const last = length - horizon;
    const stride = Math.min(horizon, Math.max(1, Math.floor(span / Math.max(1, perSeries - 1))));
    const origins: number[] = [];
    for (let origin = last; origin >= last - span && origins.length < perSeries; origin -= stride) origins.push(origin);
    origins.reverse();
    return { series: each, origins, cut: origins[0] ?? length };
  });
}

/** Parameters of every series: searched on what lies before the backtest, or, from `start`, near those on everything. */
function fitAllSmoothing(
  request: ForecasterRequest,
  plans: readonly Plan[],
  start: Forecaster['smoothing'] | undefined,
  [from, to]: readonly [number, number],
): Forecaster['smoothing'] {
  const { layout, seed } = request;
  const bySeries = new Map<string, SmoothingParameters>();
  const searched = plans.slice(0, SMOOTHING_SERIES_LIMIT);
  searched.forEach(({ series, cut }, index) => {
    report(request, from + ((to - from) * index) / searched.length, `smoothing of series ${index + 1} of ${plans.length}`);
    const values = start ? series.values : series.values.subarray(0, cut);
    if (values.length < warmSteps(layout)) return;
    const near = start?.bySeries.get(series.id);
    const options = { ...layout.shape, seed: `${seed}/${series.id}`, ...(near ? { start: near } : {}) };
    bySeries.set(series.id, fitSmoothing(values, options).parameters);
  });
  return { bySeries, common: commonParameters([...bySeries.values()], layout) };
}

/** The form most series have, with the median of each of its parameters. */
function commonParameters(all: readonly SmoothingParameters[], layout: FeatureLayout): SmoothingParameters {
  const { seasons } = layout.shape;
  const standard = { log: false, seasons, level: 0.2, trend: 0, damping: 0.9, seasonal: seasons.map(() => 0.2), carry: 0.3 };
  const forms = new Map<string, SmoothingParameters[]>();
  for (const each of all) {
    const key = each.seasons.join();
    forms.set(key, [...(forms.get(key) ?? []), each]);
  }
  const largest = [...forms.values()].toSorted((a, b) => b.length - a.length)[0];
  if (!largest) return standard;
  const median = (pick: (each: SmoothingParameters) => number) =>
    largest.map(pick).toSorted((a, b) => a - b)[Math.floor(largest.length / 2)] ?? 0;
  const form = largest[0] as SmoothingParameters;
  return {
    // Logarithms would fail on a new series that has a zero.
    log: false,
    seasons: form.seasons,
    level: median((each) => each.level),
    trend: median((each) => each.trend),
    damping: median((each) => each.damping),
    seasonal: form.seasons.map((_, index) => median((each) => each.seasonal[index] ?? 0)),
    carry: median((each) => each.carry),
  };
}

function fitForest(
  request: ForecasterRequest,
  plans: readonly Plan[],
  smoothing: Forecaster['smoothing'],
  isHonest: boolean,
  [from, to]: readonly [number, number],
): TreeFit | null {
  const { layout, seed } = request;
  const { horizon, seasons } = layout.shape;
  const budget = Math.max(1, Math.floor(TREE_ROWS_LIMIT / horizon / Math.max(1, plans.length)));
  const situations: Situation[] = [];
  plans.forEach(({ series, cut }, index) => {
    if (index % 50 === 0) report(request, from + ((to - from) * 0.5 * index) / plans.length, 'features');
    const end = (isHonest ? cut : series.values.length) - horizon;
    const longest = (seasons.at(-1) ?? 1) * 2;
    const start = Math.min(Math.max(longest, warmSteps(layout)), Math.max(warmSteps(layout), Math.floor(series.values.length / 3)));
    const origins = spreadOrigins(start, end, budget, `${seed}/${series.id}`);
    situations.push(...situationsOf(series, origins, layout.shape, parametersOf(smoothing, series)));
  });
  if (situations.length * horizon < TREE_ROWS_MIN) return null;
  report(request, (from + to) / 2, 'trees');
  const isSmall = situations.length * horizon < 5_000;
  return fitTrees(layout, situations, { rounds: isSmall ? 100 : 250, learningRate: 0.05, leafLimit: isSmall ? 8 : 31, seed });
}

function correct(layout: FeatureLayout, forest: Forest, situations: readonly Situation[]): Float64Array[] {
  const { matrix } = rowsOf(layout, situations);
  const margins = predictForest(forest, matrix);
  const { horizon } = layout.shape;
  return situations.map((_, index) => margins.slice(index * horizon, (index + 1) * horizon));
}
