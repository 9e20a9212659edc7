import { ConflictError, InvalidError, NotFoundError } from '@slipway/kernel';

/** The project has no such version. */
export class VersionNotFoundError extends NotFoundError {
  override readonly code = 'catalog/version-not-found';
}

/** A version names a parent that the project does not have. */
export class ParentNotFoundError extends NotFoundError {
  override readonly code = 'catalog/parent-not-found';
}

/** A version to register breaks a rule of spelling or size. */
export class InvalidVersionError extends InvalidError {
  override readonly code = 'catalog/invalid-version';
}

/** A reference, alias, cursor or limit is not spelled as one. */
export class InvalidReferenceError extends InvalidError {
  override readonly code = 'catalog/invalid-reference';
}

/** The version was retired: its content is erased, so nothing new may point at it. */
export class VersionRetiredError extends ConflictError {
  override readonly code = 'catalog/version-retired';
}
