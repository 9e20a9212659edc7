import { InvalidError, NotFoundError, PlatformError, TooLargeError, UnavailableError } from '@slipway/kernel';

/** The call could not be written down, so it must not be answered: disk full, disk gone. */
export class RecordingFailedError extends UnavailableError {
  override readonly code = 'telemetry/recording-failed';
}

/** More lines wait to become durable than the named limit. */
export class RecordingOverloadedError extends PlatformError {
  override readonly code = 'telemetry/recording-overloaded';
  override readonly kind = 'limited' as const;
  override readonly remedy = 'wait' as const;
}

/** One call is larger than a line may be. */
export class LineTooLongError extends TooLargeError {
  override readonly code = 'telemetry/line-too-long';
}

/** No such invocation here (also said of one that exists in another project). */
export class InvocationNotFoundError extends NotFoundError {
  override readonly code = 'telemetry/invocation-not-found';
  constructor(id: string) {
    super(`There is no invocation "${id.slice(0, 64)}" in this project.`, {
      details: { invocation: id.slice(0, 64) },
      help: 'Use the id that the prediction came with: inv_ and 36 characters. Calls recorded under the policy "none" are not kept.',
    });
  }
}

/** Every outcome of the call names an invocation that is not here. `details.problems` lists them. */
export class OutcomesRefusedError extends NotFoundError {
  override readonly code = 'telemetry/outcomes-refused';
}

/** An outcome breaks a rule. */
export class OutcomeInvalidError extends InvalidError {
  override readonly code = 'telemetry/outcome-invalid';
}

/** The window has more stored sketches per field than one query merges. */
export class WindowTooLongError extends InvalidError {
  override readonly code = 'telemetry/window-too-long';
}

/** A cursor that this list did not give out. */
export class CursorInvalidError extends InvalidError {
  override readonly code = 'telemetry/cursor-invalid';
}

/** Telemetry has been closed. */
export class TelemetryClosedError extends UnavailableError {
  override readonly code = 'telemetry/closed';
}

/** Lines of a segment can no longer be read: the disk lost bytes. Reported, never thrown at a caller. */
export class SegmentDamagedError extends PlatformError {
  override readonly code = 'telemetry/segment-damaged';
  override readonly kind = 'internal' as const;
  override readonly remedy = 'report' as const;
  constructor(segment: string, lostLines: number) {
    super(`${lostLines} lines of segment ${segment} cannot be read and were left out.`, { details: { segment, lostLines } });
  }
}
