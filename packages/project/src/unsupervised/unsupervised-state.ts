import { MetricValue, UnsupervisedSection } from '@slipway/evaluation/contract';
import { z } from 'zod';

/** What the steps of a launch without a target hand to each other: references and numbers. */
export const UnsupervisedPlanStep = z.object({
  seed: z.int(),
  gatesHash: z.string(),
  existing: z.string().nullable(),
  contract: z.string(),
  data: z.string(),
  rows: z.object({ train: z.int(), test: z.int() }),
  seconds: z.number(),
});
export type UnsupervisedPlanStep = z.infer<typeof UnsupervisedPlanStep>;

/** What the rows it has not seen say of a model; kept beside the version. */
export const UnsupervisedEvidence = z.object({
  metrics: z.record(z.string(), MetricValue),
  baseline: z.record(z.string(), z.number().nullable()),
  section: UnsupervisedSection,
  notes: z.array(z.string()),
});
export type UnsupervisedEvidence = z.infer<typeof UnsupervisedEvidence>;

/** What the catalog keeps of the version. */
export const UnsupervisedMeta = z.object({
  format: z.literal('slipway.unsupervised/1'),
  onnx: z.string(),
  metadata: z.string(),
  evidence: z.string(),
  /** SHA-256 of what explains its answers, and of the sketches monitors compare with; absent for older versions. */
  explainer: z.string().optional(),
  referenceSketches: z.string().optional(),
  task: z.enum(['cluster', 'reduce', 'anomaly']),
  trainer: z.string(),
  seed: z.int(),
  parity: z.object({ maxError: z.number() }),
  rows: z.object({ train: z.int(), test: z.int() }),
});
export type UnsupervisedMeta = z.infer<typeof UnsupervisedMeta>;

export const UnsupervisedStep = z.object({ version: z.string(), created: z.boolean(), recipe: z.string(), seconds: z.number() });
export type UnsupervisedStep = z.infer<typeof UnsupervisedStep>;
