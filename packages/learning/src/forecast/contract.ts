import { Contract } from '@slipway/kernel';
import { z } from 'zod';

/** Steps one answer may hold. */
export const HORIZON_LIMIT = 1_000;
/** Series one forecaster may hold. */
export const SERIES_LIMIT = 50_000;
/** Rows of newer history or known future that one call may send. */
export const CALL_STEPS_LIMIT = 20_000;

export const FrequencyShape = z.discriminatedUnion('unit', [
  z.strictObject({ unit: z.literal('milliseconds'), step: z.number().positive(), offset: z.number() }),
  z.strictObject({ unit: z.literal('months'), step: z.int().positive(), offset: z.int() }),
]);

export const SmoothingShape = z.strictObject({
  log: z.boolean(),
  seasons: z.array(z.int().positive()),
  level: z.number(),
  trend: z.number(),
  damping: z.number(),
  seasonal: z.array(z.number()),
  carry: z.number(),
});

/** What stands next to a forecaster's graph: how its features are made and what its numbers mean. Stored as canonical JSON. */
export const ForecastMetadata = z.strictObject({
  format: z.literal('slipway.forecast/1'),
  task: z.literal('forecast'),
  target: z.string().min(1),
  time: z.string().min(1),
  /** The column that tells series apart; null when there is one series. */
  series: z.string().min(1).nullable(),
  frequency: FrequencyShape,
  horizon: z.int().min(1).max(HORIZON_LIMIT),
  seasons: z.array(z.int().min(2)),
  /** Columns that a call knows for the future. */
  covariates: z.array(z.string()),
  /** Level of the intervals when a call names none. */
  level: z.number(),
  /** What a call sends. */
  contract: Contract,
  features: z.array(z.string()),
  /** Member weights, in the order of MEMBERS. */
  weights: z.array(z.number()),
  widths: z.array(z.array(z.number())),
  errorFloor: z.number(),
  cold: z.strictObject({
    profile: z.array(z.number()),
    level: z.number(),
    shortWidths: z.array(z.number()),
    emptyWidths: z.array(z.number()),
  }),
  smoothing: SmoothingShape,
  canBeNegative: z.boolean(),
  trainer: z.literal('forecaster'),
  seed: z.union([z.int(), z.string()]),
});
export type ForecastMetadata = z.infer<typeof ForecastMetadata>;

/** The end of each known series: what a forecast starts from. `values` and covariates hold null where nothing is known. */
export const ForecastState = z.strictObject({
  format: z.literal('slipway.forecast-state/1'),
  series: z
    .array(
      z.strictObject({
        id: z.string(),
        startIndex: z.int(),
        values: z.array(z.number().nullable()),
        covariates: z.array(z.array(z.number().nullable())),
        smoothing: SmoothingShape.nullable(),
      }),
    )
    .max(SERIES_LIMIT),
});
export type ForecastState = z.infer<typeof ForecastState>;

/** What the catalog keeps of a forecaster's version: the hashes of its graph, its metadata and the ends of its series. */
export const ForecastVersionMeta = z.object({
  format: z.literal('slipway.forecast/1'),
  onnx: z.string(),
  metadata: z.string(),
  state: z.string(),
  /** Absent for versions made before they explained themselves. */
  explainer: z.string().optional(),
});
export type ForecastVersionMeta = z.infer<typeof ForecastVersionMeta>;

export const ForecastPoint = z.strictObject({ time: z.string(), value: z.number(), low: z.number(), high: z.number() });

/** What a call of a forecaster answers. `prediction` is the first step, for outcomes to be compared with. */
export const ForecastAnswer = z.strictObject({
  prediction: z.number(),
  forecast: z.array(ForecastPoint).max(HORIZON_LIMIT),
  series: z.string().nullable(),
  /** Time of the last known value; null for a series without any. */
  lastKnown: z.string().nullable(),
  level: z.number(),
  notes: z.array(z.string()).optional(),
});
export type ForecastAnswer = z.infer<typeof ForecastAnswer>;
