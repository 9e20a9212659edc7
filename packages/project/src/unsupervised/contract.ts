import { z } from 'zod';

/** The same limits as the trainers have; here without importing them, since clients read this file too. */
export const CLUSTERS_MAX = 100;
export const COMPONENTS_MAX = 50;
export const CONTAMINATION_DEFAULT = 0.05;

/** A launch without a target: groups of rows, fewer columns, or unusual rows. */
export const UnsupervisedDefinition = z.strictObject({
  task: z.enum(['cluster', 'reduce', 'anomaly']),
  /** How many groups; the number with the best silhouette when left out. */
  clusters: z.int().min(2).max(CLUSTERS_MAX).optional(),
  /** How many components; as many as hold 90 % of the variance (20 at most) when left out. */
  components: z.int().min(1).max(COMPONENTS_MAX).optional(),
  /** Share of the training rows that are to count as anomalies. */
  contamination: z.number().min(0.0001).max(0.5).optional(),
  /** A column that is known for some rows; used for judging only. */
  label: z.string().min(1).max(256).optional(),
});
export type UnsupervisedDefinition = z.infer<typeof UnsupervisedDefinition>;
