import { METHOD_COUNT } from './baselines.ts';
import type { Situation } from './features.ts';
import { type ColdStart, INTERVAL_LEVELS, type IntervalWidths, MEMBERS, expectedError, mixForecast } from './forecaster.ts';
import { type SeriesData, meanBetween } from './series.ts';

/** Steps of the greedy choice; each adds a share of 1 / this to one member. */
const MIX_STEPS = 20;
/** A member is added only when it lowers the backtest's error by this share: simpler mixes otherwise. */
const MIX_GAIN_RATIO_MIN = 0.002;
/** Scores wanted for a quantile; fewer at one step borrow from the steps around it. */
const SCORES_PER_STEP = 200;

/** A backtest: origins whose future is known and was not learnt from. */
export interface Backtest {
  readonly situations: readonly Situation[];
  readonly corrections: readonly Float64Array[] | null;
  readonly horizon: number;
  readonly canBeNegative: boolean;
}

const truthAt = (situation: Situation, step: number) => situation.series.values[situation.origin + step] ?? Number.NaN;

/** Mean absolute error in sizes of the series, of a mix. */
export function mixError(backtest: Backtest, weights: readonly number[]): number {
  let sum = 0;
  let count = 0;
  backtest.situations.forEach((situation, index) => {
    const forecast = mixForecast(weights, situation, backtest.corrections?.[index], backtest.canBeNegative);
    for (let step = 0; step < backtest.horizon; step += 1) {
      const error = Math.abs(truthAt(situation, step) - (forecast[step] as number)) / situation.size;
      if (error !== error) continue;
      sum += error;
      count += 1;
    }
  });
  return count === 0 ? Number.NaN : sum / count;
}

const only = (member: number): number[] => MEMBERS.map((_, index) => (index === member ? 1 : 0));

/** Error of each member alone; null where it does not exist. */
export function memberErrors(backtest: Backtest): (number | null)[] {
  return MEMBERS.map((_, member) => {
    if (member === METHOD_COUNT && !backtest.corrections) return null;
    const error = mixError(backtest, only(member));
    return Number.isNaN(error) ? null : error;
  });
}

/** Weights by greedy choice with replacement (Caruana et al. 2004), from the best single member on. */
export function chooseWeights(backtest: Backtest): number[] {
  const errors = memberErrors(backtest);
  const known = errors.flatMap((error, member) => (error === null ? [] : [{ error, member }]));
  const first = known.toSorted((a, b) => a.error - b.error)[0];
  if (!first) return only(METHOD_COUNT - 1);
  const counts = only(first.member);
  let best = { weights: only(first.member), error: first.error };
  for (let total = 2; total <= MIX_STEPS; total += 1) {
    let chosen: { member: number; error: number } | undefined;
    for (const { member } of known) {
      const error = mixError(
        backtest,
        counts.map((count, index) => (count + (index === member ? 1 : 0)) / total),
      );
      if (!chosen || error < chosen.error) chosen = { member, error };
    }
    if (!chosen) break;
    counts[chosen.member] = (counts[chosen.member] as number) + 1;
    // A worse mix may lead to a better one, so that all steps are made and the best of them is kept.
    if (chosen.error < best.error) best = { weights: counts.map((count) => count / total), error: chosen.error };
  }
  return best.error > first.error * (1 - MIX_GAIN_RATIO_MIN) ? only(first.member) : best.weights;
}

/** Median recent error of the base over the backtest: the floor that keeps an interval of a quiet week from collapsing. */
export function errorFloorOf(backtest: Backtest): number {
  const recent = backtest.situations.map((situation) => situation.errors[METHOD_COUNT - 1] as number).filter((error) => error > 0);
  recent.sort((a, b) => a - b);
  return recent[Math.floor(recent.length / 2)] ?? 0.1;
}

/**
 * Split-conformal widths: quantiles of |truth - forecast| in expected errors, with the finite-sample correction
 * (Lei et al. 2018), by step; a step with few scores is pooled with those around it. Widths never shrink with the step.
 */
export function conformalWidths(backtest: Backtest, weights: readonly number[], errorFloor: number): IntervalWidths {
  const scores: number[][] = Array.from({ length: backtest.horizon }, () => []);
  backtest.situations.forEach((situation, index) => {
    const forecast = mixForecast(weights, situation, backtest.corrections?.[index], backtest.canBeNegative);
    const unit = expectedError({ errorFloor }, situation);
    for (let step = 0; step < backtest.horizon; step += 1) {
      const score = Math.abs(truthAt(situation, step) - (forecast[step] as number)) / unit;
      if (Number.isFinite(score)) scores[step]?.push(score);
    }
  });
  return INTERVAL_LEVELS.map((level) => scores.map((_, step) => conformalQuantile(pooled(scores, step), level)));
}

function pooled(scores: readonly (readonly number[])[], step: number): number[] {
  const own = scores[step]?.length ?? 0;
  if (own >= SCORES_PER_STEP) return [...(scores[step] ?? [])];
  const reach = own === 0 ? scores.length : Math.ceil(SCORES_PER_STEP / own / 2);
  return scores.slice(Math.max(0, step - reach), step + reach + 1).flat();
}

/** The smallest score that covers `level` of the next one; with too few scores the largest, stretched. */
export function conformalQuantile(scores: readonly number[], level: number): number {
  if (scores.length === 0) return 3;
  const sorted = Float64Array.from(scores).sort();
  const rank = Math.ceil((sorted.length + 1) * level);
  const largest = sorted.at(-1) as number;
  return rank <= sorted.length ? (sorted[rank - 1] as number) : largest * (1 + rank / (sorted.length + 1));
}

/** Known values that the short-history backtest of a cold series leaves. */
const COLD_STEPS = 3;

/** The shared shape of all series, and how wrong it is for one that is new. */
export function fitColdStart(series: readonly SeriesData[], seasons: readonly number[], horizon: number): ColdStart {
  const season = seasons.at(-1) ?? 1;
  const sums = new Float64Array(season);
  const counts = new Float64Array(season);
  const levels: number[] = [];
  for (const { values, startIndex } of series) {
    const from = Math.max(0, values.length - 10 * season);
    const level = meanBetween(values, from, values.length);
    if (!(Math.abs(level) > 1e-12)) continue;
    levels.push(level);
    for (let at = from; at < values.length; at += 1) {
      const ratio = (values[at] as number) / level;
      if (!Number.isFinite(ratio)) continue;
      const phase = (((startIndex + at) % season) + season) % season;
      sums[phase] = (sums[phase] as number) + ratio;
      counts[phase] = (counts[phase] as number) + 1;
    }
  }
  const profile = Array.from(sums, (sum, phase) => ((counts[phase] as number) > 0 ? sum / (counts[phase] as number) : 1));
  levels.sort((a, b) => a - b);
  const level = levels[Math.floor(levels.length / 2)] ?? 0;
  const { short, empty } = coldScores(series, profile, level, horizon);
  const widths = (scores: readonly number[]) => INTERVAL_LEVELS.map((each) => conformalQuantile(scores, each));
  return { profile, level, shortWidths: widths(short), emptyWidths: widths(empty) };
}

function coldScores(series: readonly SeriesData[], profile: readonly number[], common: number, horizon: number) {
  const short: number[] = [];
  const empty: number[] = [];
  for (const { values, startIndex } of series) {
    const origin = values.length - horizon;
    if (origin < COLD_STEPS) continue;
    const shape = (at: number) => profile[(((startIndex + at) % profile.length) + profile.length) % profile.length] ?? 1;
    let sum = 0;
    let count = 0;
    for (let at = origin - COLD_STEPS; at < origin; at += 1) {
      const level = (values[at] as number) / shape(at);
      if (!Number.isFinite(level)) continue;
      sum += level;
      count += 1;
    }
    const level = count === 0 ? Number.NaN : sum / count;
    for (let at = origin; at < values.length; at += 1) {
      const scored = [
        [short, level],
        [empty, common],
      ] as const;
      for (const [scores, guess] of scored) {
        const score = Math.abs((values[at] as number) - guess * shape(at)) / Math.abs(guess);
        if (Number.isFinite(score)) scores.push(score);
      }
    }
  }
  return { short, empty };
}
