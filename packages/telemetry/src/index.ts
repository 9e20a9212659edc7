export {
  SHADOW_ARM,
  TALLIED_ANSWERS_LIMIT,
  type ArmTallies,
  type ArmTally,
  type ArmTallyQuery,
  type OutcomeScore,
  type PairTally,
  type TallySums,
} from './arm-tallies.ts';
export {
  CursorInvalidError,
  InvocationNotFoundError,
  LineTooLongError,
  OutcomeInvalidError,
  OutcomesRefusedError,
  RecordingFailedError,
  RecordingOverloadedError,
  SegmentDamagedError,
  TelemetryClosedError,
  WindowTooLongError,
} from './errors.ts';
export { openTelemetry } from './open-telemetry.ts';
export type { AppendOptions, SketchQuery, Telemetry, TelemetryOptions } from './telemetry.ts';
export type { Durability } from './segment-writer.ts';
export type { CallsQuery, DecisionCount, DecisionsQuery, SampledCall, SampleQuery } from './call-samples.ts';
export type { LabelledQuery, LabelledRow, LabelledRowsQuery, LabelledSpan } from './labelled-rows.ts';
export type { Pair, PairsQuery } from './pair-rows.ts';
export type { InvocationFilter } from './reader.ts';
export type { Erasure } from './erase-subject.ts';
export type { OutcomeInput, OutcomeProblem, OutcomesReply } from './contract.ts';
export { resolveOutcomes } from './resolve-outcomes.ts';
export {
  CALL_FIELDS,
  PREDICTION_FIELD,
  inputField,
  latencyStep,
  probabilityField,
  watchedInputs,
  type WatchedInput,
} from './sketch-values.ts';
export {
  METRICS_CONTENT_TYPE,
  MetricsRegistry,
  SECONDS_BOUNDS,
  type Counter,
  type Gauge,
  type Histogram,
  type MetricLabels,
  type MetricOptions,
} from './metrics-registry.ts';
export { telemetryCapability, telemetrySchema } from './capability.ts';
export {
  LABELLED_ROWS_LIMIT_MAX,
  OUTCOMES_PER_CALL_LIMIT,
  PAIRS_LIMIT_MAX,
  SEGMENT_LIMIT_AGE_MS,
  SEGMENT_LIMIT_BYTES,
  SKETCH_MERGE_LIMIT,
} from './limits.ts';
