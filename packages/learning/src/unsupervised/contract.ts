import { Contract, JsonShape } from '@slipway/kernel';
import { z } from 'zod';

/** Most clusters, and most components, that may be asked for. */
export const CLUSTER_LIMIT = 100;
export const COMPONENT_LIMIT = 50;

export const UnsupervisedKind = z.enum(['cluster', 'reduce', 'anomaly']);
export type UnsupervisedKind = z.infer<typeof UnsupervisedKind>;

/** What stands next to the graph of a model without a target. Stored as canonical JSON. */
export const UnsupervisedMetadata = z.strictObject({
  format: z.literal('slipway.unsupervised/1'),
  task: UnsupervisedKind,
  /** What callers send. */
  contract: Contract,
  features: z.array(z.string()),
  /** Clusters, or components; 0 for anomalies. */
  count: z.int().min(0).max(CLUSTER_LIMIT),
  /** Anomalies: scores above this one are; the training rows' quantile. */
  threshold: z.number().nullable(),
  trainer: z.enum(['k-means', 'pca', 'isolation-forest']),
  params: z.record(z.string(), JsonShape),
  seed: z.int(),
});
export type UnsupervisedMetadata = z.infer<typeof UnsupervisedMetadata>;

/** What the catalog keeps of such a version for its loader. */
export const UnsupervisedVersionMeta = z.object({
  format: z.literal('slipway.unsupervised/1'),
  onnx: z.string(),
  metadata: z.string(),
  /** Absent for versions made before they explained themselves. */
  explainer: z.string().optional(),
});
export type UnsupervisedVersionMeta = z.infer<typeof UnsupervisedVersionMeta>;

/**
 * What a call answers: the cluster and the distance to its centre; the components and what they leave out; or whether the
 * row is an anomaly, and its score (near 1 unusual, 0.5 usual).
 */
export const UnsupervisedAnswer = z.strictObject({
  prediction: z.union([z.string(), z.number()]),
  cluster: z.int().optional(),
  distance: z.number().optional(),
  components: z.array(z.number()).optional(),
  residual: z.number().optional(),
  score: z.number().optional(),
  isAnomaly: z.boolean().optional(),
});
export type UnsupervisedAnswer = z.infer<typeof UnsupervisedAnswer>;
