import { ExplainOptions, Explanation, JsonShape, Name, RecordingPolicy, ServingSettings, pageOf } from '@slipway/kernel';
import { z } from 'zod';

/** Rows of one call; larger work belongs in a batch run. */
export const CALL_ROWS_LIMIT = 1_000;
/** Longest unit, subject or idempotency text. */
export const CALL_TEXT_LIMIT = 256;
/** Largest body of one call. */
export const CALL_BODY_LIMIT_BYTES = 8 * 1024 * 1024;

/** One branch of a release's traffic. Weights of a release add up to 1. */
export const Arm = z.strictObject({ name: z.string(), revision: z.int().positive(), weight: z.number().min(0).max(1) });
export type Arm = z.infer<typeof Arm>;

/** A revision whose answers to a share of the calls are recorded and shown to nobody. */
export const Mirror = z.strictObject({ revision: z.int().positive(), share: z.number().gt(0).max(1) });
export type Mirror = z.infer<typeof Mirror>;

/** An immutable pin of everything an answer is made of. */
export const Revision = z.object({
  id: z.string(),
  release: z.string(),
  number: z.int().positive(),
  version: z.string(),
  kind: z.string(),
  parts: z.record(z.string(), z.string()),
  recording: RecordingPolicy,
  /** How the version is run; what is left out is chosen by measuring. */
  serving: ServingSettings.optional(),
  run: z.string().nullable(),
  principal: z.string(),
  createdAt: z.string(),
});
export type Revision = z.infer<typeof Revision>;

export const Release = z.object({
  id: z.string(),
  name: Name,
  environment: z.string(),
  traffic: z.array(Arm),
  /** Revisions that answer a share of the calls a second time, unseen. */
  mirrors: z.array(Mirror),
  createdAt: z.string(),
  updatedAt: z.string(),
});
export type Release = z.infer<typeof Release>;

export const ReleaseDetail = Release.extend({ revisions: z.array(Revision) });
export type ReleaseDetail = z.infer<typeof ReleaseDetail>;
export const ReleasePage = pageOf(Release);

/** One line of a release's history, newest first. */
export const ReleaseChange = z.object({
  seq: z.int(),
  type: z.string(),
  at: z.string(),
  principal: z.string(),
  data: JsonShape.nullable(),
});
export const ReleaseHistory = z.object({ items: z.array(ReleaseChange) });
export type ReleaseHistory = z.infer<typeof ReleaseHistory>;

export const RollbackRequest = z.strictObject({ to: z.int().positive().optional(), reason: z.string().max(2_000).optional() });

const callText = z.string().min(1).max(CALL_TEXT_LIMIT);

/** A call with table rows. `eventTime` is the caller's time: RFC 3339 text or integer milliseconds. */
export const PredictRequest = z.strictObject({
  rows: z.array(z.unknown()).min(1),
  unit: callText.optional(),
  subject: callText.optional(),
  eventTime: z.union([z.string(), z.int()]).optional(),
  /** `true`, or what is wanted: reasons for each answer beside it. */
  explain: z.union([z.boolean(), ExplainOptions]).optional(),
});
export type PredictRequest = z.infer<typeof PredictRequest>;

export const Prediction = z.object({
  invocation: z.string(),
  prediction: JsonShape.optional(),
  probabilities: z.record(z.string(), z.number()).optional(),
  /** Forecasters: the next steps, and the interval that holds each with the share `level`. */
  forecast: z.array(z.object({ time: z.string(), value: z.number(), low: z.number(), high: z.number() })).optional(),
  series: z.string().nullable().optional(),
  lastKnown: z.string().nullable().optional(),
  level: z.number().optional(),
  notes: z.array(z.string()).optional(),
  /** Models without a target: the cluster and the distance to its centre, components and what they leave out, or the score. */
  cluster: z.int().optional(),
  distance: z.number().optional(),
  components: z.array(z.number()).optional(),
  residual: z.number().optional(),
  score: z.number().optional(),
  isAnomaly: z.boolean().optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  pending: z.string().optional(),
  /** When asked for. */
  explanation: Explanation.optional(),
  /** Why there is no explanation although one was asked for. */
  explanationError: z.object({ code: z.string(), message: z.string() }).optional(),
});
export const PredictReply = z.object({
  release: z.string(),
  revision: z.int(),
  version: z.string(),
  predictions: z.array(Prediction),
});
export type PredictReply = z.infer<typeof PredictReply>;

/** Reasons for a recorded answer, given by the version that answered. */
export const InvocationExplanation = z.object({
  invocation: z.string(),
  release: z.string(),
  revision: z.int(),
  version: z.string(),
  output: JsonShape.nullable(),
  explanation: Explanation,
});
export type InvocationExplanation = z.infer<typeof InvocationExplanation>;

/** A call of any servable: one input object instead of table rows. */
export const InvokeRequest = z.strictObject({
  input: z.unknown(),
  unit: callText.optional(),
  subject: callText.optional(),
  eventTime: z.union([z.string(), z.int()]).optional(),
});
export const InvokeReply = z.object({
  release: z.string(),
  revision: z.int(),
  version: z.string(),
  invocation: z.string(),
  status: z.enum(['ok', 'error', 'pending']),
  output: JsonShape.nullable(),
  run: z.string().nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});
export type InvokeReply = z.infer<typeof InvokeReply>;
