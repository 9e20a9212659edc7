import { ConflictError, InvalidError, NotFoundError } from '@slipway/kernel';

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
