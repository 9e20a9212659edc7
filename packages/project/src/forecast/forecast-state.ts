import { ForecastSection, Leak, MetricValue } from '@slipway/evaluation/contract';
import { z } from 'zod';

/** What the steps of a forecast's launch hand to each other: references and numbers. */
export const ForecastPlanStep = z.object({
  seed: z.int(),
  gatesHash: z.string(),
  leaks: z.array(Leak),
  notes: z.array(z.string()),
  existing: z.string().nullable(),
  recipe: z.string(),
  rows: z.object({ train: z.int(), test: z.int() }),
  seconds: z.number(),
});
export type ForecastPlanStep = z.infer<typeof ForecastPlanStep>;

/** What rolling forecasts found; kept beside the version, so that other gates can be decided without training again. */
export const ForecastEvidence = z.object({
  metrics: z.record(z.string(), MetricValue),
  baseline: z.record(z.string(), z.number().nullable()),
  improvements: z.record(z.string(), MetricValue),
  section: ForecastSection,
  resamples: z.int(),
});
export type ForecastEvidence = z.infer<typeof ForecastEvidence>;

/** What the catalog keeps of a forecaster's version. */
export const ForecasterMeta = z.object({
  format: z.literal('slipway.forecast/1'),
  onnx: z.string(),
  metadata: z.string(),
  state: z.string(),
  evidence: z.string(),
  /** SHA-256 of what explains its answers; absent for older versions. */
  explainer: z.string().optional(),
  task: z.literal('forecast'),
  target: z.string(),
  trainer: z.string(),
  seed: z.int(),
  parity: z.object({ maxError: z.number() }),
  rows: z.object({ train: z.int(), test: z.int() }),
});
export type ForecasterMeta = z.infer<typeof ForecasterMeta>;

export const ForecasterStep = z.object({ version: z.string(), created: z.boolean(), seconds: z.number() });
export type ForecasterStep = z.infer<typeof ForecasterStep>;
