import { z } from 'zod';

/** Evidence rows shown with a finding, and the characters shown of a text in them. */
export const LEAK_EVIDENCE_ROW_LIMIT = 6;
export const LEAK_EVIDENCE_TEXT_LIMIT = 80;
export const LEAK_EVIDENCE_COLUMN_LIMIT = 8;

/** What a finding about the split is called where a column's name would stand, as in `--accept-leak @near-duplicates`. */
export const SPLIT_LEAKS = ['@near-duplicates', '@groups', '@time-order'] as const;

export const LeakKind = z.enum([
  'identifier',
  'target-copy',
  'function-of-target',
  'suspicious',
  'near-duplicates',
  'group-overlap',
  'time-order',
]);
export type LeakKind = z.infer<typeof LeakKind>;

/** One row of the data that shows a finding: its number in its file from 1 (the header line not counted), and the cells that matter. */
export const LeakRow = z.strictObject({
  row: z.int().positive(),
  side: z.enum(['train', 'test']),
  values: z.record(z.string(), z.union([z.number(), z.string()]).nullable()),
});
export type LeakRow = z.infer<typeof LeakRow>;

/**
 * Something that knows the answer. `column` is the column, or one of {@link SPLIT_LEAKS} for a finding about the split.
 * `dropped`: training leaves the column out; `needs-acceptance`: a person must mend, exclude or accept it.
 */
export const Leak = z.strictObject({
  column: z.string(),
  kind: LeakKind,
  reason: z.string(),
  evidence: z.record(z.string(), z.union([z.number(), z.string()])),
  action: z.enum(['dropped', 'needs-acceptance']),
  /** Every column the finding is about. */
  columns: z.array(z.string()).default([]),
  /** The target as a formula of the columns, where it is one. */
  equation: z.string().nullable().default(null),
  /** What a person can do about it. */
  help: z.string().nullable().default(null),
  rows: z.array(LeakRow).max(LEAK_EVIDENCE_ROW_LIMIT).default([]),
});
export type Leak = z.infer<typeof Leak>;

/** A finding as a caller may give it: rows, columns, equation and help may be left out. */
export type LeakInput = z.input<typeof Leak>;
