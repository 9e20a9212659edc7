import { Name } from '@slipway/kernel';
import { z } from 'zod';
import { ReadOptions } from '../read-options.ts';

const columnName = z.string().min(1).max(256);
const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** Columns of the input that may be written beside the answers. */
export const KEPT_COLUMNS_LIMIT = 2_000;

/** How the answers are written. */
export const BatchFormat = z.enum(['parquet', 'csv', 'ndjson']);
export type BatchFormat = z.infer<typeof BatchFormat>;

/** Predict for a whole table: a durable run over shards. */
export const BatchRequest = z.strictObject({
  release: Name,
  /** The live one when left out; the run keeps to it whatever goes live meanwhile. */
  revision: z.int().positive().optional(),
  input: z.strictObject({ sha256: Sha256, fileName: z.string().min(1).max(512) }),
  read: ReadOptions.default({}),
  format: BatchFormat.default('parquet'),
  /** Columns of the input that are written beside the answers; `all` for every one. */
  keep: z.union([z.literal('all'), z.array(columnName).max(KEPT_COLUMNS_LIMIT)]).default([]),
});
export type BatchRequest = z.infer<typeof BatchRequest>;

export const BatchStarted = z.object({ run: z.string() });

/** What a batch run returns. Rows count from 0 in the input's order. */
export const BatchResult = z.object({
  release: z.string(),
  revision: z.int(),
  version: z.string(),
  /** The predictions as a version of kind `predictions`; its parent is the model. */
  predictions: z.string(),
  rows: z.int(),
  predicted: z.int(),
  rejected: z.int(),
  format: BatchFormat,
  /** Null when no row could be predicted. */
  output: z.object({ sha256: Sha256, sizeBytes: z.int() }).nullable(),
  /** Rows set aside, each with its reasons; null when there are none. */
  rejects: z.object({ sha256: Sha256, sizeBytes: z.int() }).nullable(),
  notes: z.array(z.string()),
  shards: z.int(),
  run: z.string(),
});
export type BatchResult = z.infer<typeof BatchResult>;
