import { JsonShape, Name } from '@slipway/kernel';
import { metricProblem } from '@slipway/monitoring/contract';
import { RolloutOptions } from '@slipway/releases/rollout-contract';
import { z } from 'zod';

/** Labelled calls that one retraining may learn from, and those it needs at least. */
export const RETRAIN_ROWS_MAX = 100_000;
export const RETRAIN_ROWS_MIN = 50;
/** Triggers of one policy. */
export const RETRAIN_TRIGGERS_MAX = 8;
/** Attempts that a list shows, the newest. */
export const ATTEMPTS_SHOWN = 200;

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** A length of time as text: a number and s, m, h, d or w, such as 12h or 7d. */
export const Duration = z.string().regex(/^\d{1,6}[smhdw]$/, 'is no length of time: a number and s, m, h, d or w, such as 7d');

/** @returns milliseconds of a {@link Duration}. */
export function durationMs(text: string): number {
  return Number(text.slice(0, -1)) * (UNIT_MS[text.slice(-1)] ?? 0);
}

/** What may start a retraining. Windows are of event time and end with the newest labelled call. */
export const RetrainTrigger = z.discriminatedUnion('kind', [
  /** Inputs, predictions or the error have drifted, by the thresholds of the release's monitor. */
  z.strictObject({ kind: z.literal('drift'), window: Duration.default('7d') }),
  /** Measured quality fell by `drop` from what the live version had on its held-back rows, or beyond a bound. */
  z.strictObject({
    kind: z.literal('quality'),
    /** By default accuracy of classes, MAE of numbers. */
    metric: z
      .string()
      .max(64)
      .superRefine((name, context) => {
        const problem = metricProblem(name);
        if (problem !== null) context.addIssue({ code: 'custom', message: problem });
      })
      .optional(),
    drop: z.number().positive().optional(),
    atLeast: z.number().optional(),
    atMost: z.number().optional(),
    window: Duration.default('7d'),
    /** Labelled calls of the live version that the window needs. */
    rows: z.int().min(20).max(RETRAIN_ROWS_MAX).default(100),
  }),
  /** Cron in UTC, of the wall clock. */
  z.strictObject({ kind: z.literal('schedule'), cron: z.string().min(9).max(200) }),
  /** So many labelled calls that the last attempt did not have. */
  z.strictObject({ kind: z.literal('new-data'), rows: z.int().min(1).max(10_000_000) }),
]);
export type RetrainTrigger = z.infer<typeof RetrainTrigger>;

/** What a retraining learns from. */
export const RetrainData = z.strictObject({
  /** The newest labelled calls, at most so many, and of the last `days` of event time. */
  rows: z.int().min(RETRAIN_ROWS_MIN).max(RETRAIN_ROWS_MAX).default(20_000),
  days: z.number().positive().max(36_500).optional(),
  /** Whether the rows of the first launch stay in. */
  original: z.boolean().default(true),
  /**
   * Share of the calls, the latest, that both versions are judged by and the new one does not learn from. Left out, a fifth, and up
   * to a half when the margin needs more rows than that.
   */
  holdBack: z.number().min(0.05).max(0.5).optional(),
});
export type RetrainData = z.infer<typeof RetrainData>;

/** When a release trains its model again, on what, and how the new version takes over. Belongs to the release, not to a revision. */
export const RetrainPolicy = z.strictObject({
  /** Any of these starts one; without any only a person does. */
  on: z.array(RetrainTrigger).max(RETRAIN_TRIGGERS_MAX).default([]),
  /** Name of the outcome that is the truth. */
  outcome: z.string().min(1).max(256).default('label'),
  data: RetrainData.prefault({}),
  /** What the held-back rows have to show against the live version, by the primary metric: the whole paired interval counts. */
  margin: z.number().min(0).default(0.02),
  require: z.enum(['no-worse', 'better']).default('no-worse'),
  /** Default: a paired shadow judged by the outcome, with a margin of 0.05. */
  rollout: RolloutOptions.optional(),
  /** Event time between two attempts, from begin to begin. */
  coolDown: Duration.default('24h'),
  /** Wall time: at most so many runs, and seconds of training, within so many days. */
  budget: z
    .strictObject({
      runs: z.int().min(1).max(100_000).default(10),
      days: z.number().min(0.01).max(366).default(30),
      seconds: z.number().positive().max(31_536_000).default(36_000),
    })
    .prefault({}),
  /** What an attempt must promise: new labelled calls, and quality that was lost since the live version was proven. */
  expectedGain: z
    .strictObject({ rows: z.int().min(1).max(RETRAIN_ROWS_MAX).default(100), atLeast: z.number().min(0).default(0) })
    .prefault({}),
});
export type RetrainPolicy = z.infer<typeof RetrainPolicy>;

/** What started, or would have started, an attempt. `evidence` are the numbers. */
export const TriggerFinding = z.strictObject({
  kind: z.enum(['drift', 'quality', 'schedule', 'new-data', 'hand']),
  reason: z.string(),
  evidence: JsonShape.nullable(),
});
export type TriggerFinding = z.infer<typeof TriggerFinding>;

/**
 * `skipped`: a trigger fired and cool-down, budget or expected gain said no. `refused`: a version was trained and its gates did
 * not let it pass. The last two are of the machine, not of the model.
 */
export const AttemptStatus = z.enum(['running', 'skipped', 'refused', 'promoted', 'rolled-back', 'failed', 'cancelled']);
export type AttemptStatus = z.infer<typeof AttemptStatus>;

export const SkipCode = z.enum(['cool-down', 'back-off', 'budget-runs', 'budget-seconds', 'few-rows', 'small-gain', 'late-labels']);
export type SkipCode = z.infer<typeof SkipCode>;

/** What is known of an attempt; each part comes with its step. */
export const AttemptFacts = z.object({
  champion: z.object({ version: z.string(), revision: z.int() }).nullable().default(null),
  /** Labelled calls: learnt from, held back, left out because their label fits no class; and the rows of the first launch. */
  data: z
    .object({
      rows: z.int(),
      heldBack: z.int(),
      leftOut: z.int(),
      original: z.int(),
      from: z.string(),
      heldBackFrom: z.string(),
      to: z.string(),
      dataset: z.string().nullable().default(null),
    })
    .nullable()
    .default(null),
  /** On the held-back rows, by the primary metric. */
  comparison: z
    .object({
      metric: z.string(),
      champion: z.number().nullable(),
      candidate: z.number().nullable(),
      improvement: z.number().nullable(),
      low: z.number().nullable(),
      high: z.number().nullable(),
    })
    .nullable()
    .default(null),
  /** Messages of the gates that failed. */
  failedGates: z.array(z.string()).default([]),
  rollout: z.object({ status: z.string(), reason: z.string().nullable() }).nullable().default(null),
});
export type AttemptFacts = z.infer<typeof AttemptFacts>;

export const RetrainAttempt = z.object({
  id: z.string(),
  release: Name,
  status: AttemptStatus,
  trigger: TriggerFinding,
  /** Why it was skipped, for programs. */
  code: SkipCode.nullable(),
  reason: z.string().nullable(),
  run: z.string().nullable(),
  version: z.string().nullable(),
  revision: z.int().nullable(),
  facts: AttemptFacts,
  trainSeconds: z.number().nullable(),
  /** Newest labelled event when it began. */
  eventTime: z.string().nullable(),
  /** Skips of one reason in a row are one entry, counted. */
  count: z.int(),
  at: z.string(),
  lastAt: z.string(),
  endedAt: z.string().nullable(),
});
export type RetrainAttempt = z.infer<typeof RetrainAttempt>;

export const Retraining = z.object({
  release: Name,
  policy: RetrainPolicy.nullable(),
  configuredAt: z.string().nullable(),
  /** The newest first. */
  attempts: z.array(RetrainAttempt),
});
export type Retraining = z.infer<typeof Retraining>;

/** Sets the policy, or takes it away. */
export const RetrainPolicyBody = z.strictObject({ policy: RetrainPolicy.nullable() });
export const RetrainRequest = z.strictObject({ reason: z.string().max(2_000).optional() });
export const RetrainStarted = z.object({ run: z.string() });

/** What makes a launch part of a retraining; the rest of the launch is what its definition says. */
export const RetrainingOrigin = z.strictObject({
  run: z.string(),
  /** The launch by hand whose definition is trained. */
  launch: z.string(),
  reason: z.string().max(2_000),
  /** The version that was live when the rows were divided: it has learnt from none of those that both are judged by. */
  champion: z.string(),
  /** Event time up to which recorded calls were learnt from. */
  trainedToMs: z.int(),
  /** What the dataset came from. */
  parents: z.array(z.strictObject({ id: z.string(), role: z.string() })).max(10),
});
export type RetrainingOrigin = z.infer<typeof RetrainingOrigin>;
