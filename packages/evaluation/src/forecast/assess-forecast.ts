import { Bootstrap, type Interval, type ResamplePlan, intervalScore, naiveScale } from '@slipway/statistics';
import { toRfc3339, computeInSlices } from '@slipway/kernel';
import type { MetricValue } from '../contract.ts';
import { FORECAST_METRICS } from '../metric-table.ts';
import { type ForecastSection, SAMPLE_LIMIT, SAMPLE_STEP_LIMIT, STEP_LIMIT, WORST_SERIES_LIMIT } from './contract.ts';

/** One forecast against what came, in steps; NaN where no truth is known. */
export interface JudgedForecast {
  /** Position in `series`. */
  readonly series: number;
  readonly origin: number;
  readonly values: Float64Array;
  readonly low: Float64Array;
  readonly high: Float64Array;
  readonly naive: Float64Array;
  readonly truth: Float64Array;
}

export interface ForecastFacts {
  readonly trials: readonly JudgedForecast[];
  readonly series: readonly { readonly id: string; readonly values: Float64Array; readonly firstOrigin: number }[];
  readonly horizon: number;
  readonly seasons: readonly number[];
  readonly frequency: string;
  readonly level: number;
  readonly members: ForecastSection['members'];
  /** Time of a step of a series, milliseconds UTC. */
  readonly timeOf: (series: number, step: number) => number;
  readonly seed: number;
  readonly resamples: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ForecastAssessment {
  readonly metrics: Record<string, MetricValue>;
  readonly baseline: Record<string, number | null>;
  readonly improvements: Record<string, MetricValue>;
  readonly section: ForecastSection;
}

/** Fewer units than this make an interval that says little; smaller ones are resampled then. */
const UNITS_MIN = 20;
/** Resamples drawn before other work may run. */
const SLICE_RESAMPLES = 20;

interface Scored {
  readonly trial: JudgedForecast;
  /** The unit of MASE: the mean seasonal difference of what the forecaster learnt from. */
  readonly scale: number;
}

/** Metrics of rolling forecasts with bootstrap intervals, next to the seasonal naive forecast on the same steps. */
export async function assessForecast(facts: ForecastFacts): Promise<ForecastAssessment> {
  const season = facts.seasons[0] ?? 1;
  const scales = facts.series.map(({ values, firstOrigin }) => naiveScale(values.subarray(0, firstOrigin), season));
  const scored = facts.trials.map((trial) => ({ trial, scale: scales[trial.series] ?? Number.NaN }));
  const { groups, resampled } = unitsOf(scored);
  const plan = planOf(groups, (step) => step.model);
  const naive = planOf(groups, (step) => step.naive);
  const options = { seed: facts.seed, resamples: facts.resamples };
  const bootstrap = new Bootstrap([plan, naive], options);
  await computeInSlices(() => bootstrap.advance(SLICE_RESAMPLES), facts.signal);
  const metrics = Object.fromEntries(FORECAST_METRICS.map((name) => [name, valueOf(bootstrap.interval(name))]));
  const baseline = Object.fromEntries(FORECAST_METRICS.map((name) => [name, finite(bootstrap.interval(name, 1).value)]));
  const improvements = Object.fromEntries(
    FORECAST_METRICS.filter((name) => name !== 'coverage').map((name) => [name, valueOf(negated(bootstrap.difference(name)))]),
  );
  return { metrics, baseline: { ...baseline, coverage: null }, improvements, section: sectionOf(facts, scored, resampled) };
}

const finite = (value: number) => (Number.isFinite(value) ? value : null);
const valueOf = ({ value, low, high }: Interval): MetricValue => ({ value: finite(value), low: finite(low), high: finite(high) });
const negated = ({ value, low, high }: Interval): Interval => ({ value: -value, low: -high, high: -low });

/** Sums of one step: for the model or the naive forecast, in the order of FORECAST_METRICS. */
type Sums = Float64Array;
interface Unit {
  readonly model: Sums;
  readonly naive: Sums;
}

/** Sums: scaled error, its count, symmetric, percentage, squared, absolute, covered, count. */
const SUM_COUNT = 9;

function sumsOf(forecast: Float64Array, trial: JudgedForecast, scale: number, from: number, to: number): Sums {
  const sums = new Float64Array(SUM_COUNT);
  const add = (at: number, value: number) => {
    sums[at] = (sums[at] as number) + value;
  };
  for (let step = from; step < to; step += 1) {
    const truth = trial.truth[step] as number;
    if (truth !== truth) continue;
    const value = forecast[step] as number;
    const error = Math.abs(truth - value);
    if (scale > 0) {
      add(0, error / scale);
      add(1, 1);
    }
    const size = Math.abs(truth) + Math.abs(value);
    add(2, size === 0 ? 0 : (200 * error) / size);
    if (truth !== 0) {
      add(3, error / Math.abs(truth));
      add(8, 1);
    }
    add(4, error * error);
    add(5, error);
    add(6, truth >= (trial.low[step] as number) && truth <= (trial.high[step] as number) ? 1 : 0);
    add(7, 1);
  }
  return sums;
}

/** Whole series are resampled, since errors of one series go together; with few series forecasts, with few of them steps. */
function unitsOf(scored: readonly Scored[]): { groups: Unit[]; resampled: ForecastSection['resampled'] } {
  const unit = ({ trial, scale }: Scored, from: number, to: number): Unit => ({
    model: sumsOf(trial.values, trial, scale, from, to),
    naive: sumsOf(trial.naive, trial, scale, from, to),
  });
  const whole = scored.map((each) => unit(each, 0, each.trial.values.length));
  const bySeries = new Map<number, Unit>();
  scored.forEach(({ trial }, at) => {
    const before = bySeries.get(trial.series);
    const own = whole[at] as Unit;
    bySeries.set(trial.series, before ? { model: plus(before.model, own.model), naive: plus(before.naive, own.naive) } : own);
  });
  if (bySeries.size >= UNITS_MIN) return { groups: [...bySeries.values()], resampled: 'series' };
  if (whole.length >= UNITS_MIN) return { groups: whole, resampled: 'forecasts' };
  const steps = scored.flatMap((each) => Array.from(each.trial.values, (_, step) => unit(each, step, step + 1)));
  return { groups: steps.filter(({ model }) => (model[7] as number) > 0), resampled: 'steps' };
}

const plus = (left: Sums, right: Sums) => left.map((value, at) => value + (right[at] as number));

function planOf(groups: readonly Unit[], side: (unit: Unit) => Sums): ResamplePlan {
  const sums = groups.map(side);
  return {
    rowCount: groups.length,
    names: FORECAST_METRICS,
    evaluate(counts, out) {
      const total = new Float64Array(SUM_COUNT);
      for (let group = 0; group < counts.length; group += 1) {
        const count = counts[group] as number;
        if (count === 0) continue;
        const own = sums[group] as Sums;
        for (let at = 0; at < SUM_COUNT; at += 1) total[at] = (total[at] as number) + count * (own[at] as number);
      }
      const [
        scaled = 0,
        scaledCount = 0,
        symmetric = 0,
        percentage = 0,
        squared = 0,
        absolute = 0,
        covered = 0,
        count = 0,
        percentageCount = 0,
      ] = total;
      out[0] = scaledCount > 0 ? scaled / scaledCount : Number.NaN;
      out[1] = symmetric / count;
      out[2] = percentageCount > 0 ? percentage / percentageCount : Number.NaN;
      out[3] = Math.sqrt(squared / count);
      out[4] = absolute / count;
      out[5] = covered / count;
    },
  };
}

function sectionOf(facts: ForecastFacts, scored: readonly Scored[], resampled: ForecastSection['resampled']): ForecastSection {
  const { trials, series, horizon, seasons, frequency, level, members } = facts;
  return {
    series: series.length,
    forecasts: trials.length,
    horizon,
    frequency,
    seasons: [...seasons],
    resampled,
    interval: intervalFacts(trials, level),
    steps: stepsOf(scored, horizon),
    members: [...members],
    worst: worstOf(scored, series),
    samples: samplesOf(facts),
  };
}

function intervalFacts(trials: readonly JudgedForecast[], level: number): ForecastSection['interval'] {
  let width = 0;
  let inside = 0;
  let count = 0;
  let score = 0;
  for (const { low, high, truth } of trials) {
    truth.forEach((y, step) => {
      if (y !== y) return;
      const [from, to] = [low[step] as number, high[step] as number];
      width += to - from;
      inside += y >= from && y <= to ? 1 : 0;
      score += intervalScore([from], [to], [y], level);
      count += 1;
    });
  }
  if (count === 0) return { level, coverage: null, meanWidth: null, score: null };
  return { level, coverage: inside / count, meanWidth: width / count, score: score / count };
}

function stepsOf(scored: readonly Scored[], horizon: number): ForecastSection['steps'] {
  const size = Math.ceil(horizon / STEP_LIMIT);
  return Array.from({ length: Math.ceil(horizon / size) }, (_, group) => {
    const [from, to] = [group * size, Math.min(horizon, (group + 1) * size)];
    let model: Sums = new Float64Array(SUM_COUNT);
    let naive: Sums = new Float64Array(SUM_COUNT);
    for (const { trial, scale } of scored) {
      model = plus(model, sumsOf(trial.values, trial, scale, from, to));
      naive = plus(naive, sumsOf(trial.naive, trial, scale, from, to));
    }
    const ratio = (sums: Sums, at: number, by: number) => finite((sums[at] as number) / (sums[by] as number));
    return { step: to, mase: ratio(model, 0, 1), smape: ratio(model, 2, 7), naiveMase: ratio(naive, 0, 1), coverage: ratio(model, 6, 7) };
  });
}

function worstOf(scored: readonly Scored[], series: ForecastFacts['series']): ForecastSection['worst'] {
  const sums = new Map<number, { sums: Sums; forecasts: number }>();
  for (const { trial, scale } of scored) {
    const own = sumsOf(trial.values, trial, scale, 0, trial.values.length);
    const before = sums.get(trial.series);
    sums.set(trial.series, { sums: before ? plus(before.sums, own) : own, forecasts: (before?.forecasts ?? 0) + 1 });
  }
  return [...sums]
    .map(([index, each]) => ({
      series: series[index]?.id ?? '',
      mase: (each.sums[0] as number) / (each.sums[1] as number),
      smape: (each.sums[2] as number) / (each.sums[7] as number),
      forecasts: each.forecasts,
    }))
    .filter(({ mase, smape }) => Number.isFinite(mase) && Number.isFinite(smape))
    .toSorted((a, b) => b.mase - a.mase || (a.series < b.series ? -1 : 1))
    .slice(0, WORST_SERIES_LIMIT);
}

/** The last forecast of a few series, spread over them. */
function samplesOf({ trials, series, timeOf }: ForecastFacts): ForecastSection['samples'] {
  const last = new Map<number, JudgedForecast>();
  for (const trial of trials) last.set(trial.series, trial);
  const all = [...last.values()];
  const every = Math.max(1, Math.floor(all.length / SAMPLE_LIMIT));
  return all
    .filter((_, index) => index % every === 0)
    .slice(0, SAMPLE_LIMIT)
    .map((trial) => ({
      series: series[trial.series]?.id ?? '',
      points: Array.from(trial.values.subarray(0, SAMPLE_STEP_LIMIT), (value, step) => ({
        time: toRfc3339(timeOf(trial.series, trial.origin + step)),
        truth: finite(trial.truth[step] as number),
        value,
        low: trial.low[step] as number,
        high: trial.high[step] as number,
        naive: trial.naive[step] as number,
      })),
    }));
}
