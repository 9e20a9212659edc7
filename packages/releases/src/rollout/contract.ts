import { Name, pageOf, ServingSettings } from '@slipway/kernel';
import { z } from 'zod';

/** Most steps of one rollout, metrics of one kind, and the longest it may take. */
export const ROLLOUT_STEPS_LIMIT = 20;
export const ROLLOUT_METRICS_LIMIT = 10;
export const ROLLOUT_HOURS_MAX = 24 * 90;
/** Units an arm needs before a rollout is rolled back by what it sees; before, no mean says anything. */
export const ROLLBACK_UNITS_MIN = 20;

const share = z.number().gt(0).max(1);
const margin = z.number().gt(0);

/**
 * What the versions are compared by. A margin is what the candidate may be worse and still pass: an absolute share for
 * `error-rate`, `predictions` and `correct`, a share of the champion's value for all others.
 */
export const RolloutMetric = z.discriminatedUnion('metric', [
  z.strictObject({ metric: z.literal('error-rate'), margin: margin.default(0.01) }),
  z.strictObject({
    metric: z.literal('latency'),
    quantile: z.number().min(0.5).max(0.999).default(0.95),
    margin: margin.default(0.5),
    /** Latencies below this are all the same to whoever waits. */
    floorMs: z.number().min(0.001).max(60_000).default(20),
  }),
  z.strictObject({ metric: z.literal('cost'), margin: margin.default(0.1) }),
  /** Shares of the answers, or the mean of numbers in standard deviations: a guardrail only. */
  z.strictObject({ metric: z.literal('predictions'), margin: margin.default(0.15) }),
  z.strictObject({
    metric: z.literal('outcome'),
    outcome: z.string().min(1).max(256).default('label'),
    /** The outcome itself, whether the prediction equals it, or how far the prediction was off. */
    score: z.enum(['correct', 'value', 'absolute-error']).default('correct'),
    /** Default: true, but for `absolute-error`. */
    higherIsBetter: z.boolean().optional(),
    margin: margin.optional(),
  }),
]);
export type RolloutMetric = z.infer<typeof RolloutMetric>;

/** A stage: mirrored calls, live calls, or a person's word. */
export const RolloutStep = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('shadow'), share }),
  z.strictObject({ kind: z.literal('traffic'), share: z.number().gt(0).lt(1) }),
  z.strictObject({ kind: z.literal('approval') }),
]);
export type RolloutStep = z.infer<typeof RolloutStep>;

/** How a new revision takes over, as a person says it; what is left out is chosen by the strategy. */
export const RolloutOptions = z.strictObject({
  /** `canary`: growing shares. `ab`: one fixed split until it is decided. `shadow`: mirrored calls only, then promoted. */
  strategy: z.enum(['canary', 'ab', 'shadow']).default('canary'),
  /** Shares of the traffic, one a step: canary 0.05, 0.25, 0.5; ab 0.5. */
  steps: z.array(z.number().gt(0).lt(1)).min(1).max(10).optional(),
  /** Mirrors this share of the calls before any is answered by the candidate. */
  shadow: share.optional(),
  /** A person has to approve before the candidate takes over. */
  approval: z.boolean().default(false),
  goals: z.array(RolloutMetric).min(1).max(ROLLOUT_METRICS_LIMIT).optional(),
  guardrails: z.array(RolloutMetric).max(ROLLOUT_METRICS_LIMIT).optional(),
  /** What the goals have to show: ab asks for `better`, the others for `no-worse` than the margin. */
  require: z.enum(['no-worse', 'better']).optional(),
  /** Probability that no verdict about the goals is ever wrong, and none about the guardrails. */
  confidence: z.number().min(0.5).max(0.999).default(0.95),
  /** Units that each arm needs in a step. */
  minUnits: z.int().min(ROLLBACK_UNITS_MIN).max(100_000_000).default(100),
  minStepSeconds: z
    .number()
    .min(0)
    .max(ROLLOUT_HOURS_MAX * 3600)
    .default(60),
  maxHours: z.number().gt(0).max(ROLLOUT_HOURS_MAX).default(168),
  /** What happens when that time is over without a verdict. */
  onExpiry: z.enum(['roll-back', 'promote']).default('roll-back'),
  lookSeconds: z.number().min(0.2).max(3600).default(10),
});
export type RolloutOptions = z.infer<typeof RolloutOptions>;

/** Everything that decides a rollout, written out and fixed before it begins. */
export const RolloutPlan = z.strictObject({
  strategy: z.enum(['canary', 'ab', 'shadow']),
  steps: z.array(RolloutStep).min(1).max(ROLLOUT_STEPS_LIMIT),
  goals: z.array(RolloutMetric).min(1),
  guardrails: z.array(RolloutMetric),
  require: z.enum(['no-worse', 'better']),
  alpha: z.number().gt(0).lt(1),
  minUnits: z.int(),
  minStepSeconds: z.number(),
  maxHours: z.number(),
  onExpiry: z.enum(['roll-back', 'promote']),
  lookSeconds: z.number(),
});
export type RolloutPlan = z.infer<typeof RolloutPlan>;

export const RolloutVerdict = z.enum(['better', 'no-worse', 'worse', 'undecided']);

const Units = z.object({ median: z.number().nullable(), p90: z.number().nullable() });

/** One metric at one look: the interval holds at every look together, so it may be acted upon at any. */
export const MetricVerdict = z.object({
  metric: z.string(),
  role: z.enum(['goal', 'guardrail']),
  /** `paired`: both versions answered the same calls. `concurrent`: units of the same time. */
  basis: z.enum(['paired', 'concurrent', 'both']),
  verdict: RolloutVerdict,
  champion: z.number().nullable(),
  candidate: z.number().nullable(),
  /** Candidate minus champion (latency: their ratio), and its confidence sequence; null = open on that side. */
  difference: z.number().nullable(),
  low: z.number().nullable(),
  high: z.number().nullable(),
  /** In the unit of the difference. */
  margin: z.number(),
  units: z.number(),
  /** Further units of traffic until a verdict: if there is no difference, and if it is as it looks now. */
  needed: z.object({ ifEqual: Units, ifAsNow: Units }).nullable(),
  note: z.string().nullable(),
});
export type MetricVerdict = z.infer<typeof MetricVerdict>;

export const RolloutLook = z.object({
  atMs: z.number(),
  verdict: RolloutVerdict,
  /** Units of each arm since the rollout began, and in the present step. */
  units: z.object({ champion: z.number(), candidate: z.number() }),
  stepUnits: z.object({ champion: z.number(), candidate: z.number() }),
  sampleRatio: z.object({
    mismatch: z.boolean(),
    pValue: z.number(),
    candidateShare: z.number().nullable(),
    intendedShare: z.number().nullable(),
  }),
  metrics: z.array(MetricVerdict),
  /** Why the rollout stays where it is, or moved. */
  reason: z.string(),
});
export type RolloutLook = z.infer<typeof RolloutLook>;

export const RolloutStatus = z.enum(['running', 'paused', 'awaiting-approval', 'promoted', 'rolled-back', 'aborted']);
export type RolloutStatus = z.infer<typeof RolloutStatus>;

export const Rollout = z.object({
  id: z.string(),
  release: Name,
  champion: z.int(),
  candidate: z.int(),
  status: RolloutStatus,
  /** Position in the plan's steps, from 0. */
  step: z.int(),
  plan: RolloutPlan,
  look: RolloutLook.nullable(),
  reason: z.string().nullable(),
  run: z.string(),
  principal: z.string(),
  startedAt: z.string(),
  stepEnteredAt: z.string(),
  endedAt: z.string().nullable(),
});
export type Rollout = z.infer<typeof Rollout>;
export const RolloutPage = pageOf(Rollout);

/** Begins a rollout of a revision that exists, or of a version (`mv_…`, `name`, `name:3`, `name@alias`), which gets one. */
export const RolloutRequest = z.strictObject({
  revision: z.int().positive().optional(),
  version: z.string().min(1).max(200).optional(),
  /** How the version is run; as the live revision is when left out. The live version itself may be rolled out with other settings. */
  serving: ServingSettings.optional(),
  plan: RolloutOptions.prefault({}),
});
export type RolloutRequest = z.infer<typeof RolloutRequest>;

export const RolloutReason = z.strictObject({ reason: z.string().max(2_000).optional() });

/** Most recorded calls of one replay. */
export const REPLAY_CALLS_MAX = 100_000;
export const REPLAY_CALLS_DEFAULT = 10_000;

/** Runs recorded calls through a candidate. */
export const ReplayRequest = z.strictObject({
  /** A revision of the release by number, or a version: `mv_…`, `name`, `name:3`, `name@alias`. */
  candidate: z.union([z.int().positive(), z.string().min(1).max(200)]),
  /** Event times in milliseconds; default: the last day. */
  fromMs: z.int().optional(),
  toMs: z.int().optional(),
  limit: z.int().min(1).max(REPLAY_CALLS_MAX).default(REPLAY_CALLS_DEFAULT),
  /** Input columns to report groups by; default: those with few values. */
  by: z.array(z.string().min(1).max(256)).max(20).default([]),
  /** Outcome that tells who was right. */
  outcome: z.string().min(1).max(256).default('label'),
});
export type ReplayRequest = z.input<typeof ReplayRequest>;

export const ReplayStarted = z.object({ run: z.string() });

/** A share with its 95 % Wilson interval. */
const Share = z.object({ share: z.number(), low: z.number(), high: z.number() });

export const ReplaySlice = z.object({
  column: z.string(),
  value: z.string(),
  calls: z.int(),
  changed: Share,
  /** Mean of candidate minus recorded: of the number, or of the probability of the label `of`. */
  meanDelta: z.number().nullable(),
  /** Share right (or mean absolute error) where the outcome is known. */
  recorded: z.number().nullable(),
  candidate: z.number().nullable(),
});
export type ReplaySlice = z.infer<typeof ReplaySlice>;

export const ReplayReport = z.object({
  release: z.string(),
  candidate: z.string(),
  fromMs: z.number(),
  toMs: z.number(),
  /** Calls that were answered again. */
  calls: z.int(),
  /** Recorded calls that could not be: without input, failed then, or against the candidate's contract. */
  skipped: z.object({ withoutInput: z.int(), refused: z.int() }),
  candidateErrors: z.int(),
  /** For labels: a different answer. For numbers: one off by more than a thousandth of their spread. */
  changed: Share,
  /** Which answers became which, the most frequent first; for labels. */
  flips: z.array(z.object({ from: z.string(), to: z.string(), calls: z.int() })),
  /** Candidate minus recorded. */
  delta: z
    .object({ of: z.string(), mean: z.number(), p05: z.number(), median: z.number(), p95: z.number(), largest: z.number() })
    .nullable(),
  slices: z.array(ReplaySlice),
  quality: z
    .object({
      outcomes: z.int(),
      measure: z.enum(['accuracy', 'mean absolute error']),
      recorded: z.number(),
      candidate: z.number(),
      /** Candidate minus recorded, with its 95 % interval over pairs. */
      difference: z.number(),
      low: z.number(),
      high: z.number(),
    })
    .nullable(),
  /** True when the window held more calls than the limit; the newest were taken. */
  truncated: z.boolean(),
});
export type ReplayReport = z.infer<typeof ReplayReport>;
