import { z } from 'zod';

/** Texts that may be named as missing markers, and characters of each. */
const MISSING_MARKERS_MAX = 100;
const MISSING_MARKER_LENGTH_MAX = 64;

/** How a table file is read; whatever is left out is found by looking at the file. */
export const ReadOptions = z.strictObject({
  format: z.enum(['csv', 'parquet', 'json', 'ndjson']).optional(),
  delimiter: z.string().min(1).max(1).optional(),
  encoding: z.enum(['utf-8', 'latin1', 'utf-16le', 'utf-16be']).optional(),
  header: z.boolean().optional(),
  /** Column names of a file without a header line; with `header: true` they replace its own. */
  columns: z.array(z.string().min(1).max(256)).max(2_000).optional(),
  /** Texts that mean "missing" in every column, instead of the usual ones; blank always does. */
  missing: z.array(z.string().min(1).max(MISSING_MARKER_LENGTH_MAX)).max(MISSING_MARKERS_MAX).optional(),
  /** Whether dates such as 03/04/2024 begin with the day, where a column does not tell. */
  dayFirst: z.boolean().optional(),
});
export type ReadOptions = z.infer<typeof ReadOptions>;
