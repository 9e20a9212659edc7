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

/** A retraining of the release is under way: one at a time. */
export class RetrainActiveError extends ConflictError {
  override readonly code = 'project/retrain-active';
  constructor(release: string, run: string) {
    super(`Release "${release}" is being retrained.`, { details: { release, run }, help: `See it with: slipway runs ${run}` });
  }
}

/** There is nothing to train again: the live version was made elsewhere, or is of a kind without single labels. */
export class NotRetrainableError extends ConflictError {
  override readonly code = 'project/not-retrainable';
}

/** There are too few labelled calls. */
export class RetrainDataError extends InvalidError {
  override readonly code = 'project/retrain-data';
}

/** A run that a retraining waited for did not end well. */
export class RetrainFailedError extends UnavailableError {
  override readonly code = 'project/retrain-failed';
}
