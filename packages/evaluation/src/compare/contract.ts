import { z } from 'zod';
import { MetricName, MetricValue } from '../metric-contract.ts';

/** One metric of both versions, and how much better the new one is: above zero is better whatever the metric's direction. */
const ComparedMetric = z.strictObject({
  metric: MetricName,
  candidate: z.number().nullable(),
  champion: z.number().nullable(),
  /** Paired: both are judged by the same resamples of the same rows. */
  improvement: MetricValue,
});

const DeLongTest = z.strictObject({
  difference: z.number(),
  standardError: z.number(),
  z: z.number().nullable(),
  pValue: z.number(),
  low: z.number(),
  high: z.number(),
});

const McNemarTest = z.strictObject({
  candidateOnly: z.int(),
  championOnly: z.int(),
  pValue: z.number(),
  method: z.enum(['exact', 'chi-square']),
});

/** A new version against the one that is live, on the rows the new one is judged by. */
export const Comparison = z.strictObject({
  champion: z.strictObject({ version: z.string(), release: z.string(), revision: z.int() }),
  rows: z.int().positive(),
  /** `none`: both were trained without these rows. `possible`: the champion may have seen some, which flatters it. */
  overlap: z.enum(['none', 'possible']),
  metrics: z.array(ComparedMetric),
  deLong: DeLongTest.nullable(),
  /** Of classes that were predicted right; null for a regression. */
  mcNemar: McNemarTest.nullable(),
  /** Share of rows whose predicted class differs; for a regression the mean size of the difference in standard deviations of the truth. */
  changed: z.number(),
  primary: MetricName,
  verdict: z.enum(['better', 'worse', 'no-difference-shown']),
  notes: z.array(z.string()),
});
export type Comparison = z.infer<typeof Comparison>;
