import { z } from 'zod';

/** Rows of one shard: what a killed run does again at most. */
export const SHARD_ROWS = 200_000;

/** What the steps hand to each other: references and numbers. */
export const OpenedStep = z.object({
  revision: z.int(),
  version: z.string(),
  /** The table as Parquet. */
  source: z.string(),
  rows: z.int(),
  notes: z.array(z.string()),
  keep: z.array(z.string()),
});
export type OpenedStep = z.infer<typeof OpenedStep>;

export const ShardStep = z.object({ output: z.string().nullable(), rejects: z.string().nullable(), rejected: z.int() });
export type ShardStep = z.infer<typeof ShardStep>;

const Written = z.object({ sha256: z.string(), sizeBytes: z.int() }).nullable();
export const JoinedStep = z.object({ output: Written, rejects: Written });
export type JoinedStep = z.infer<typeof JoinedStep>;

/** What the catalog keeps of predictions. */
export const PredictionsMeta = z.object({
  output: Written,
  rejects: Written,
  format: z.enum(['parquet', 'csv', 'ndjson']),
  rows: z.int(),
  rejected: z.int(),
  release: z.string(),
  revision: z.int(),
  source: z.object({ sha256: z.string(), fileName: z.string() }),
});
export type PredictionsMeta = z.infer<typeof PredictionsMeta>;
