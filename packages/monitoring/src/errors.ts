import { ConflictError, InvalidError } from '@slipway/kernel';

/** The window is no length of time, ends before it begins, or is too long. */
export class WindowInvalidError extends InvalidError {
  override readonly code = 'monitoring/window-invalid';
}

/** The stored reference cannot be read. */
export class ReferenceInvalidError extends ConflictError {
  override readonly code = 'monitoring/reference-invalid';
}
