import { z } from 'zod';

/** What a model without a target found: groups of rows, directions of variance, or how unusual rows are. */
export const UnsupervisedSection = z.strictObject({
  kind: z.enum(['cluster', 'reduce', 'anomaly']),
  /** Columns it was learnt from. */
  columns: z.array(z.string()),
  /** Clusters or components; 0 for anomalies. */
  count: z.int(),
  /** Silhouettes of the numbers of clusters that were tried, on training rows. */
  tried: z.array(z.strictObject({ clusters: z.int(), silhouette: z.number() })).max(20),
  /** Training rows of each cluster, and where its centre differs most from all rows. */
  clusters: z.array(z.strictObject({ cluster: z.int(), rows: z.int(), traits: z.array(z.string()) })).max(100),
  /** Share of the training rows' variance, and the columns that weigh most. */
  components: z
    .array(
      z.strictObject({ component: z.int(), share: z.number(), weights: z.array(z.strictObject({ of: z.string(), weight: z.number() })) }),
    )
    .max(50),
  /** Scores above it are anomalies: the training rows' quantile at 1 - contamination. */
  threshold: z.number().nullable(),
  contamination: z.number().nullable(),
  /** Scores of the test rows. */
  quantiles: z.array(z.strictObject({ level: z.number(), value: z.number() })).max(20),
  /** A column that was used for judging only. */
  label: z.string().nullable(),
});
export type UnsupervisedSection = z.infer<typeof UnsupervisedSection>;
