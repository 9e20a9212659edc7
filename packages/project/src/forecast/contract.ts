import { z } from 'zod';

const columnName = z.string().min(1).max(256);

/** The same limits as the forecaster has; here without importing it, since clients read this file too. */
export const FORECAST_HORIZON_MAX = 1_000;
export const FORECAST_SEASON_MAX = 10_080;
export const FORECAST_LEVELS = [0.5, 0.8, 0.9, 0.95] as const;

/** A launch that forecasts: the target's next steps, by series, from its past and from what is known of the future. */
export const ForecastDefinition = z.strictObject({
  /** The column that tells series apart; without it the table is one series. */
  series: columnName.optional(),
  /** Steps ahead; found by the frequency when left out. */
  horizon: z.int().min(1).max(FORECAST_HORIZON_MAX).optional(),
  /** Step of the series: 15min, 1h, 1d, 1w, 1mo, 1q, 1y; found in the times when left out. */
  frequency: z
    .string()
    .regex(/^\d{0,4}\s*(s|min|h|d|w|mo|q|y)$/i, 'a number and s, min, h, d, w, mo, q or y, such as 15min, 1h or 1mo')
    .optional(),
  /** Season lengths in steps; found by the frequency when left out. */
  seasons: z.array(z.int().min(2).max(FORECAST_SEASON_MAX)).max(3).optional(),
  /** Columns whose future is known when a forecast is made: weather forecasts, holidays, prices. All others are not used. */
  known: z.array(columnName).max(100).default([]),
  /** Share of truths that the intervals promise to hold. */
  level: z.union([z.literal(0.5), z.literal(0.8), z.literal(0.9), z.literal(0.95)]).default(0.9),
});
export type ForecastDefinition = z.infer<typeof ForecastDefinition>;

const Estimate = z.number().nullable();

/** What a launch of a forecaster says beyond what every launch says. */
export const LaunchForecast = z.object({
  series: z.int(),
  horizon: z.int(),
  frequency: z.string(),
  seasons: z.array(z.int()),
  known: z.array(z.string()),
  level: z.number(),
  coverage: Estimate,
  /** Forecasts that were judged. */
  forecasts: z.int(),
  /** What the forecast is mixed of, the largest share first, and the error of each in the backtest. */
  members: z.array(z.object({ member: z.string(), weight: z.number(), error: Estimate })),
});
export type LaunchForecast = z.infer<typeof LaunchForecast>;
