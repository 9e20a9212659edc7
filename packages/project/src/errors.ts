import { ConflictError, InvalidError, NotFoundError, UnavailableError } from '@slipway/kernel';

/** The definition asks for something that the data cannot give; `details.field` names the part of the definition. */
export class LaunchInvalidError extends InvalidError {
  override readonly code = 'project/launch-invalid';
}

/** The bytes of a launch are not in the store. */
export class UploadMissingError extends NotFoundError {
  override readonly code = 'project/upload-missing';
}

/** The run is no launch, or has not got far enough to say what it resolved to. */
export class LaunchNotResolvedError extends ConflictError {
  override readonly code = 'project/launch-not-resolved';
}

/** What was asked for cannot be predicted for a table: `details.field` names the part of the request. */
export class BatchInvalidError extends InvalidError {
  override readonly code = 'project/batch-invalid';
}

/** The process of a batch run ended before its work did; what is finished stays. */
export class BatchProcessEndedError extends UnavailableError {
  override readonly code = 'project/batch-process-ended';
}

/** The run is no batch, or has no such file (yet). */
export class BatchOutputError extends NotFoundError {
  override readonly code = 'project/batch-output';
}
