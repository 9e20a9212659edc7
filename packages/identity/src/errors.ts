import {
  ConflictError,
  ForbiddenError,
  InvalidError,
  NotFoundError,
  PlatformError,
  UnauthenticatedError,
  type Remedy,
} from '@slipway/kernel';

/** The key given by the user is not fit to be one. */
export class WeakKeyError extends InvalidError {
  override readonly code = 'identity/weak-key';
}

/** The key is missing, unknown, expired or revoked. */
export class KeyRejectedError extends UnauthenticatedError {
  override readonly code = 'identity/key-rejected';
}

/** Too many unknown keys were tried lately; known keys keep working. */
export class TooManyAttemptsError extends PlatformError {
  override readonly code = 'identity/too-many-attempts';
  override readonly kind = 'limited' as const;
  override readonly remedy: Remedy = 'wait';
}

/** A key may not be given, rotated or revoked by somebody with fewer rights than it carries. */
export class ScopeError extends ForbiddenError {
  override readonly code = 'identity/scope';
}

/** The project has a name that another one has. */
export class ProjectExistsError extends ConflictError {
  override readonly code = 'identity/project-exists';
}

export class ProjectNotFoundError extends NotFoundError {
  override readonly code = 'identity/project-not-found';
}

export class KeyNotFoundError extends NotFoundError {
  override readonly code = 'identity/key-not-found';
}

/** The key's state does not allow the change. */
export class KeyStateError extends ConflictError {
  override readonly code = 'identity/key-state';
}

/** A named limit on the number of projects or keys is reached. */
export class IdentityLimitError extends ConflictError {
  override readonly code = 'identity/limit';
}

/** The key that seals stored secrets is missing its form, or lies open. */
export class SecretKeyError extends InvalidError {
  override readonly code = 'identity/secret-key';
}

/** A stored secret does not open: another key, another owner, or damage. */
export class SecretUnreadableError extends ConflictError {
  override readonly code = 'identity/secret-unreadable';
}
