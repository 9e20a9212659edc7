import { Contract, FieldRole, FieldType, JsonShape, pageOf } from '@slipway/kernel';
import { z } from 'zod';

/** Formats that ingestion reads; each of the text ones may be gzipped. */
export const SourceFormat = z.enum(['csv', 'parquet', 'json', 'ndjson']);
export type SourceFormat = z.infer<typeof SourceFormat>;

/** Encodings of text; `latin1` is read as Windows-1252, its superset. */
export const Encoding = z.enum(['utf-8', 'latin1', 'utf-16le', 'utf-16be']);
export type Encoding = z.infer<typeof Encoding>;

/** How the bytes were read; enough to read them the same way again. */
export const Reading = z.strictObject({
  format: SourceFormat,
  encoding: Encoding.nullable(),
  compressed: z.boolean(),
  delimiter: z.string().nullable(),
  quote: z.enum(['double', 'backslash', 'none']).nullable(),
  header: z.boolean().nullable(),
  /** SHA-256 and size of the source as given. */
  sha256: z.string(),
  sizeBytes: z.int().nonnegative(),
});
export type Reading = z.infer<typeof Reading>;

/** Something the reader should know about a column, or about the whole table when `column` is null. */
export const Note = z.strictObject({ column: z.string().nullable(), note: z.string() });
export type Note = z.infer<typeof Note>;

export const TopValue = z.strictObject({ value: z.string(), count: z.int().positive() });
export type TopValue = z.infer<typeof TopValue>;

export const NumberSummary = z.strictObject({
  /** For times: milliseconds UTC. */
  minimum: z.number(),
  maximum: z.number(),
  mean: z.number(),
  /** Sample standard deviation (n - 1); null for a single value. */
  deviation: z.number().nullable(),
  /** At the shares of QUANTILE_SHARES; from a fixed sample of about 100,000 rows when the table has more than 200,000. */
  quantiles: z.array(z.number()),
});
export type NumberSummary = z.infer<typeof NumberSummary>;

export const ColumnProfile = z.strictObject({
  name: z.string(),
  type: FieldType,
  missing: z.int().nonnegative(),
  /** How often each text that counts as missing was seen; blank is the empty text. Empty for Parquet. */
  markers: z.record(z.string(), z.int().positive()),
  distinct: z.int().nonnegative(),
  distinctIsExact: z.boolean(),
  constant: z.boolean(),
  /** Values that differ by exactly one step from row to row, as row numbers do. */
  sequence: z.boolean(),
  numbers: NumberSummary.nullable(),
  /** Lengths in characters, for texts. */
  lengths: z.strictObject({ minimum: z.int(), maximum: z.int(), mean: z.number() }).nullable(),
  /** Mean number of words, for texts. */
  words: z.number().nullable(),
  /** Most frequent values seen at least RARE_VALUE_MIN times. */
  top: z.array(TopValue),
  /** True when values were left out of `top` because they are rare: they could identify a person. */
  rareSuppressed: z.boolean(),
});
export type ColumnProfile = z.infer<typeof ColumnProfile>;

export const Profile = z.strictObject({
  format: z.literal('slipway.profile/1'),
  rows: z.int().nonnegative(),
  /** Rows that repeat an earlier row in every column. */
  duplicateRows: z.int().nonnegative(),
  columns: z.array(ColumnProfile),
});
export type Profile = z.infer<typeof Profile>;

/** One step of what enforcement found, by column and rule. */
export const Violation = z.strictObject({
  /** Position in the source's order, from 0. */
  row: z.int().nonnegative(),
  field: z.string(),
  rule: z.string(),
  expected: z.string(),
  got: z.string(),
});
export type Violation = z.infer<typeof Violation>;

export const ViolationCount = z.strictObject({
  field: z.string(),
  rule: z.string(),
  severity: z.enum(['error', 'warn']),
  count: z.int().positive(),
});
export type ViolationCount = z.infer<typeof ViolationCount>;

/** How a table differs from a contract in its columns. */
export const ColumnProblem = z.strictObject({
  column: z.string(),
  problem: z.enum(['missing', 'extra', 'retyped']),
  severity: z.enum(['error', 'warn']),
  expected: z.string(),
  got: z.string(),
});
export type ColumnProblem = z.infer<typeof ColumnProblem>;

export const Enforcement = z.strictObject({
  /** No problem of severity `error`. */
  ok: z.boolean(),
  columns: z.array(ColumnProblem),
  /** At most PROBLEM_LIMIT, errors first; `counts` has the totals. */
  violations: z.array(Violation),
  counts: z.array(ViolationCount),
});
export type Enforcement = z.infer<typeof Enforcement>;

/** What the catalog keeps of a dataset version; profile and contract are objects of their own. */
export const DatasetMeta = z.strictObject({
  format: z.literal('slipway.dataset/1'),
  parquet: z.strictObject({ sha256: z.string(), sizeBytes: z.int().nonnegative() }),
  rowsHash: z.string(),
  rows: z.int().nonnegative(),
  columns: z.array(z.strictObject({ name: z.string(), type: FieldType, role: FieldRole, nullable: z.boolean() })),
  profile: z.string(),
  contract: z.string(),
  reading: Reading.nullable(),
  target: z.string().nullable(),
  time: z.string().nullable(),
  group: z.string().nullable(),
  /** The column that says whose data a row is; erasure goes by it. */
  subjectColumn: z.string().nullable(),
  notes: z.array(Note),
});
export type DatasetMeta = z.infer<typeof DatasetMeta>;

/** A dataset version as the API shows it. */
export const DatasetVersion = z.strictObject({
  id: z.string(),
  name: z.string(),
  number: z.int().positive(),
  recipe: z.string(),
  content: z.string(),
  run: z.string().nullable(),
  createdAt: z.string(),
  principal: z.string(),
  /** Null once the version has been retired. */
  meta: DatasetMeta.nullable(),
});
export type DatasetVersion = z.infer<typeof DatasetVersion>;

export const DatasetPage = pageOf(DatasetVersion);
export type DatasetPage = z.infer<typeof DatasetPage>;

export const Upload = z.strictObject({ upload: z.string(), sha256: z.string(), sizeBytes: z.int().nonnegative() });
export type Upload = z.infer<typeof Upload>;

/** Rows for a preview: int64 beyond 2^53 as text, times as RFC 3339, missing as null. */
export const RowsPage = z.strictObject({
  columns: z.array(z.string()),
  rows: z.array(z.record(z.string(), JsonShape)),
  offset: z.int().nonnegative(),
  total: z.int().nonnegative(),
});
export type RowsPage = z.infer<typeof RowsPage>;

export const ContractReply = Contract;
