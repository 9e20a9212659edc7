import { ConflictError, InvalidError, PlatformError, TooLargeError, UnavailableError, type ErrorBody } from '@slipway/kernel';

/** No definition of that name is registered here. */
export class UnknownWorkflowError extends InvalidError {
  override readonly code = 'workflows/unknown-workflow';
}

/** The input breaks the rules of the workflow's own schema. */
export class RunInputError extends InvalidError {
  override readonly code = 'workflows/input';
}

/** The run has ended, so it can be neither cancelled nor signalled. */
export class RunEndedError extends ConflictError {
  override readonly code = 'workflows/run-ended';
}

/** Only a failed or cancelled run can be retried. */
export class RunNotRetryableError extends ConflictError {
  override readonly code = 'workflows/run-not-retryable';
}

/** The id given for a new run belongs to another one. */
export class RunIdTakenError extends ConflictError {
  override readonly code = 'workflows/run-id-taken';
}

/** The run was made by a version of its workflow that this program no longer has. */
export class DefinitionMissingError extends UnavailableError {
  override readonly code = 'workflows/definition-missing';
}

/** The code of a workflow changed under a run that had finished steps, without a new `version`. */
export class ChangedWorkflowError extends ConflictError {
  override readonly code = 'workflows/changed-workflow';
}

/** The run's process died so often that it is no longer started again by itself. */
export class RecoveryExhaustedError extends PlatformError {
  override readonly code = 'workflows/recovery-exhausted';
  override readonly kind = 'internal' as const;
  override readonly remedy = 'report' as const;
}

/** The engine ended a run without telling why; found by reconciliation. */
export class EngineEndedError extends PlatformError {
  override readonly code = 'workflows/engine-ended';
  override readonly kind = 'internal' as const;
  override readonly remedy = 'report' as const;
}

/** What a step or a run returned, or what it was given, is larger than may be kept. */
export class ResultTooLargeError extends TooLargeError {
  override readonly code = 'workflows/result-too-large';
}

/** What a step or a run returned has no JSON form. */
export class ResultNotJsonError extends InvalidError {
  override readonly code = 'workflows/result-not-json';
}

/** The run had not ended when the time given was over. */
export class WaitTimeoutError extends PlatformError {
  override readonly code = 'workflows/wait-timeout';
  override readonly kind = 'timeout' as const;
  override readonly remedy = 'wait' as const;
}

/** Text that is no cron expression, or one that never fires. */
export class CronError extends InvalidError {
  override readonly code = 'workflows/cron';
}

/** Two definitions of one name and version, or a name that cannot be one. */
export class DefinitionError extends InvalidError {
  override readonly code = 'workflows/definition';
}

/** Runs can be started once the engine's tables exist, that is after the first launch. */
export class NotLaunchedError extends UnavailableError {
  override readonly code = 'workflows/not-launched';
}

/** The engine is one per process. */
export class AlreadyLaunchedError extends ConflictError {
  override readonly code = 'workflows/already-launched';
}

/** More readers follow runs than one process serves. */
export class TooManyFollowersError extends UnavailableError {
  override readonly code = 'workflows/too-many-followers';
}

/**
 * What a failed step throws into its workflow, the same on the first pass and when a stored failure is replayed: it
 * has the code, kind, message, details and help of the step's error, but not its class. Compare `code`.
 */
export class StepError extends PlatformError {
  override readonly code: string;
  override readonly kind: ErrorBody['error']['kind'];
  override readonly remedy: ErrorBody['error']['remedy'];
  /** Name of the step that failed. */
  readonly step: string;
  /** Its place among the run's stored steps. */
  readonly position: number;
  constructor(error: ErrorBody['error'], step: string, position: number, cause?: unknown) {
    super(error.message, { details: error.details, ...(error.help === null ? {} : { help: error.help }), cause });
    this.code = error.code;
    this.kind = error.kind;
    this.remedy = error.remedy;
    this.step = step;
    this.position = position;
  }
}
