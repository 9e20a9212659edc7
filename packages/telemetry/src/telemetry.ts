import type { Audit } from '@slipway/audit';
import type { Clock, Contract, Invocation, Outcome, Page, RecordingPolicy } from '@slipway/kernel';
import type { Objects } from '@slipway/objects';
import type { Records } from '@slipway/records';
import type { FieldSketch } from '@slipway/statistics';
import type { ArmTallies, ArmTallyQuery } from './arm-tallies.ts';
import type { DecisionCount, DecisionsQuery, SampledCall, SampleQuery } from './call-samples.ts';
import type { OutcomeInput, OutcomesReply } from './contract.ts';
import type { Erasure, SubjectCounts } from './erase-subject.ts';
import type { LabelledQuery, LabelledRow, LabelledRowsQuery, LabelledSpan } from './labelled-rows.ts';
import type { MetricsRegistry } from './metrics-registry.ts';
import type { Pair, PairsQuery } from './pair-rows.ts';
import type { InvocationFilter } from './reader.ts';
import type { Durability } from './segment-writer.ts';

export interface TelemetryOptions {
  /** Where the open segments lie; this process alone writes the files of its replica there. */
  readonly directory: string;
  readonly records: Records;
  readonly objects: Objects;
  readonly audit: Audit;
  readonly clock: Clock;
  /** This process's number, 0 to 4,095; no two that run at once may share one. */
  readonly replica: number;
  /** Default `process`. */
  readonly durability?: Durability;
  /** Told of what went wrong in the background; it is repeated by itself. */
  readonly onProblem?: (error: Error) => void;
  /** Default {@link SEGMENT_LIMIT_BYTES}. */
  readonly segmentLimitBytes?: number;
  /**
   * Calls of other replicas of about this age may not be readable here yet, and outcomes of them are taken on trust. Default: there are no
   * other replicas.
   */
  readonly elsewhereAgeMs?: number | undefined;
  /** Default {@link SEGMENT_LIMIT_AGE_MS}. */
  readonly segmentLimitAgeMs?: number;
}

export interface AppendOptions {
  /** Default `full`. `redacted` keeps the line without input and output, `none` keeps nothing of the call. */
  readonly policy?: RecordingPolicy;
  /** The input as `JSON.stringify` made it, if the caller has it already. */
  readonly inputJson?: string | undefined;
  readonly outputJson?: string;
}

/** Sketches of what window: of event times, from inclusive, to exclusive, widened to whole minutes, hours or days as kept. */
export interface SketchQuery {
  readonly release: string;
  readonly revision?: number | undefined;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Production calls, what became of them, and their distributions. Every method is of one project. */
export interface Telemetry {
  /**
   * Records a call; resolves after the one write of this turn of the event loop that holds its line, so answer then.
   * @throws {RecordingFailedError} {@link RecordingOverloadedError} {@link LineTooLongError} as rejections.
   */
  append(invocation: Invocation, options?: AppendOptions): Promise<void>;
  /** Says what a version's inputs are, so that its sketches read values as training did. Call before its first call is recorded. */
  describe(project: string, version: string, contract: Contract): Promise<void>;
  /** Takes outcomes, also long after the call. @throws {OutcomesRefusedError} {@link OutcomeInvalidError} */
  appendOutcomes(project: string, outcomes: readonly OutcomeInput[]): Promise<OutcomesReply>;
  /** @throws {InvocationNotFoundError} */
  getInvocation(project: string, id: string): Promise<{ invocation: Invocation; outcomes: Outcome[] }>;
  listInvocations(
    project: string,
    options: InvocationFilter & { readonly cursor?: string | undefined; readonly limit: number },
  ): Promise<Page<Invocation>>;
  /** The sketches of a window by field, merged over minutes, revisions and replicas. @throws {WindowTooLongError} */
  sketches(project: string, query: SketchQuery): Promise<Map<string, FieldSketch>>;
  /** Predictions with the outcome that stands for each: what quality is computed from. */
  pairs(project: string, query: PairsQuery): Promise<Pair[]>;
  /** Recorded calls of a window, at most {@link SAMPLE_LIMIT_MAX}: the same ones whenever it is asked. */
  sample(project: string, query: SampleQuery): Promise<SampledCall[]>;
  /** Counts of decisions by the value of an input column, with the outcome that stands for each call. */
  decisions(project: string, query: DecisionsQuery): Promise<DecisionCount[]>;
  /** Inputs with the outcome that stands for each, in the order of their events: what a model can be trained on. */
  labelledRows(project: string, query: LabelledRowsQuery): Promise<LabelledRow[]>;
  /** How many such rows a window holds, without reading them. */
  labelledSpan(project: string, query: LabelledQuery): Promise<LabelledSpan>;
  /** Calls of a release by arm, counted by unit: what the versions of a rollout are compared by. */
  tallies(project: string, query: ArmTallyQuery): Promise<ArmTallies>;
  /** How much of a subject {@link eraseSubject} would remove; of very many calls, those of its first pass. */
  countSubject(project: string, subject: string): Promise<SubjectCounts>;
  /**
   * Removes a subject's invocations and their outcomes. Repeating it is harmless and finishes an interrupted one.
   * Sketches stay: they hold no rare values and no link to a person.
   */
  eraseSubject(project: string, subject: string): Promise<Erasure>;
  /** Bytes of lines that are not Parquet yet, as the last maintenance counted them. */
  backlogBytes(): number;
  /** Closes the open segments (of one project, or all) and turns closed ones into Parquet. */
  roll(project?: string): Promise<void>;
  /** What the maintenance job does: saves sketches, rolls old segments, repeats what failed, and tidies up. */
  maintain(signal?: AbortSignal): Promise<void>;
  readonly metrics: MetricsRegistry;
  /** Writes what waits and saves the sketches. Nothing may be appended afterwards. */
  close(): Promise<void>;
}
