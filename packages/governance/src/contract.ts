import { pageOf } from '@slipway/kernel';
import { z } from 'zod';

export const SUBJECT_LIMIT = 256;

export const ErasureRequest = z.strictObject({ subject: z.string().min(1).max(SUBJECT_LIMIT) });

/** A dataset version whose rows of the subject were left out of the version that replaces it. */
export const ErasedDataset = z.object({ name: z.string(), from: z.string(), to: z.string(), rows: z.int().nonnegative() });

/** A version that learnt from rows that are now gone: erasing does not unlearn, so it is named. */
export const AffectedVersion = z.object({ id: z.string(), kind: z.string(), name: z.string(), number: z.int() });

/** What an erasure did. Holds no personal data: the subject appears only as a salted hash. */
export const ErasureReceipt = z.object({
  id: z.string(),
  status: z.enum(['running', 'done']),
  subjectHash: z.string(),
  requestedAt: z.string(),
  completedAt: z.string().nullable(),
  invocations: z.int().nonnegative(),
  outcomes: z.int().nonnegative(),
  rows: z.int().nonnegative(),
  datasets: z.array(ErasedDataset),
  /** Original files that were deleted because they held rows of the subject. */
  sources: z.int().nonnegative(),
  auditPayloads: z.int().nonnegative(),
  affected: z.array(AffectedVersion),
  run: z.string(),
});
export type ErasureReceipt = z.infer<typeof ErasureReceipt>;
export const ErasurePage = pageOf(ErasureReceipt);

export { KEEP_DAYS_DEFAULT, KeepDays, RetentionReport } from './retention/contract.ts';
