import { z } from 'zod';

/** From the best to the worst; `not-enough-data` says nothing either way. */
export const Verdict = z.enum(['ok', 'warn', 'drift', 'not-enough-data']);
export type Verdict = z.infer<typeof Verdict>;

/** When the index counts as a warning or as drift, and from how many calls on. */
export const DriftThresholds = z.object({
  warn: z.number().positive(),
  drift: z.number().positive(),
  minimumCount: z.int().positive(),
  significance: z.number().min(0).max(1),
});
export type DriftThresholds = z.infer<typeof DriftThresholds>;

const ratio = z.number().min(0).max(1);

/** One field now against the reference. Ratios are shares of all rows. */
export const FieldDrift = z.object({
  field: z.string(),
  kind: z.enum(['number', 'text']),
  verdict: Verdict,
  /** Why the verdict is what it is, in words. */
  reason: z.string(),
  /** Population stability index; null without data. */
  psi: z.number().nullable(),
  /** Jensen-Shannon divergence in bits, 0..1. */
  jensenShannon: z.number().nullable(),
  /** How probable so high an index is when nothing changed. */
  pValue: ratio.nullable(),
  missingReference: ratio.nullable(),
  missingCurrent: ratio.nullable(),
  /** Values the reference never had; the text of rare ones is not shown. */
  newCategories: z.array(z.object({ value: z.string().nullable(), count: z.int() })),
  counts: z.object({ reference: z.int(), current: z.int() }),
  threshold: DriftThresholds,
  bins: z.array(z.object({ label: z.string(), reference: z.number(), current: z.number() })),
});
export type FieldDrift = z.infer<typeof FieldDrift>;

/** Metrics over predictions whose outcome is known. */
export const Quality = z.object({
  /** The outcome judged by. */
  outcome: z.string(),
  /** Pairs used. */
  count: z.int(),
  /** Pairs that could not be used: an outcome that is no class or number, a prediction without probabilities. */
  skipped: z.int(),
  /** True when there were more than the newest ones used. */
  truncated: z.boolean(),
  /** By metric; null where it is undefined, such as the ROC AUC of one class. */
  metrics: z.record(z.string(), z.number().nullable()),
});
export type Quality = z.infer<typeof Quality>;

export const MonitorReport = z.object({
  release: z.string(),
  revision: z.int(),
  version: z.string(),
  window: z.object({ from: z.string(), to: z.string() }),
  /** Calls of the window, without those still pending. */
  invocations: z.int(),
  /** The worst of the fields. */
  verdict: Verdict,
  /** Null when the version came without a reference; then there are no fields either. */
  reference: z.object({ fields: z.int() }).nullable(),
  fields: z.array(FieldDrift),
  quality: Quality.nullable(),
});
export type MonitorReport = z.infer<typeof MonitorReport>;

/** `window` is a length up to now such as 30m, 24h or 7d; `from` and `to` (RFC 3339 or milliseconds) say it exactly. */
export const MonitorQuery = z.object({
  window: z.string().max(20).optional(),
  from: z.string().max(40).optional(),
  to: z.string().max(40).optional(),
  revision: z.coerce.number().int().positive().optional(),
  outcome: z.string().min(1).max(256).optional(),
});
export type MonitorQuery = z.infer<typeof MonitorQuery>;
