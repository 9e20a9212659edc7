import { z } from 'zod';

/** Steps of a forecast that are listed one by one; a longer horizon is averaged into as many groups. */
export const STEP_LIMIT = 200;
/** Series named as the worst, and series shown as examples. */
export const WORST_SERIES_LIMIT = 20;
export const SAMPLE_LIMIT = 6;
export const SAMPLE_STEP_LIMIT = 200;

const Estimate = z.number().nullable();

export const ForecastStep = z.strictObject({
  /** Steps ahead, from 1; the last of a group. */
  step: z.int().positive(),
  mase: Estimate,
  smape: Estimate,
  /** Mean absolute error of the seasonal naive forecast in the same unit as `mase`. */
  naiveMase: Estimate,
  coverage: Estimate,
});

export const ForecastSample = z.strictObject({
  series: z.string(),
  points: z
    .array(z.strictObject({ time: z.string(), truth: Estimate, value: z.number(), low: z.number(), high: z.number(), naive: z.number() }))
    .max(SAMPLE_STEP_LIMIT),
});

/** How well the future of series was said, by rolling forecasts over the end of each series that was not learnt from. */
export const ForecastSection = z.strictObject({
  series: z.int().positive(),
  /** Forecasts judged: series times origins. */
  forecasts: z.int().positive(),
  horizon: z.int().positive(),
  frequency: z.string(),
  seasons: z.array(z.int()),
  /** What the intervals of the metrics resample: whole forecasts, or single steps when there are few forecasts. */
  resampled: z.enum(['series', 'forecasts', 'steps']),
  interval: z.strictObject({ level: z.number(), coverage: Estimate, meanWidth: Estimate, score: Estimate }),
  steps: z.array(ForecastStep).max(STEP_LIMIT),
  /** Error of each member in the backtest (mean absolute, in sizes of the series) and its weight in the mix. */
  members: z.array(z.strictObject({ member: z.string(), error: Estimate, weight: z.number() })),
  worst: z.array(z.strictObject({ series: z.string(), mase: z.number(), smape: z.number(), forecasts: z.int() })).max(WORST_SERIES_LIMIT),
  samples: z.array(ForecastSample).max(SAMPLE_LIMIT),
});
export type ForecastSection = z.infer<typeof ForecastSection>;
