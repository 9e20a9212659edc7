import { z } from 'zod';

/** How long things are kept that nothing refers to any more, in days. */
export const KeepDays = z.strictObject({
  /** Uploaded bytes that no version and no open or recent run uses. */
  uploads: z.int().min(1).max(36_500),
  /** Progress of ended runs. */
  runEvents: z.int().min(1).max(36_500),
  /** Stored steps of ended runs: without them a run cannot be retried. */
  runSteps: z.int().min(1).max(36_500),
});
export type KeepDays = z.infer<typeof KeepDays>;

export const KEEP_DAYS_DEFAULT: KeepDays = { uploads: 7, runEvents: 90, runSteps: 30 };

/** What a project keeps that retention is about, and for how long. */
export const RetentionReport = z.strictObject({
  keepDays: KeepDays,
  /** Uploads that no version has taken over. */
  uploads: z.strictObject({ count: z.int(), sizeBytes: z.int() }),
  runs: z.strictObject({ count: z.int(), open: z.int(), events: z.int(), withSteps: z.int() }),
});
export type RetentionReport = z.infer<typeof RetentionReport>;
