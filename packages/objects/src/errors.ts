import { InvalidError, NotFoundError, PlatformError, TooLargeError, UnavailableError } from '@slipway/kernel';

/** A project, hash, cursor or limit is not spelled as one; refused before any path is made of it. */
export class InvalidAddressError extends InvalidError {
  override readonly code = 'objects/invalid-address';
}

/** The project has no object of that hash. */
export class ObjectNotFoundError extends NotFoundError {
  override readonly code = 'objects/not-found';
}

/** More bytes came than the limit allows; nothing of them was kept. */
export class ObjectTooLargeError extends TooLargeError {
  override readonly code = 'objects/too-large';
}

/** The stored bytes are no longer those that were put: a failing disk, or somebody wrote into the folder. */
export class ObjectCorruptError extends PlatformError {
  override readonly code = 'objects/corrupt';
  override readonly kind = 'internal' as const;
  override readonly remedy = 'report' as const;
}

/** The file system has no room left (or the user's quota is used up); nothing of the object was kept. */
export class StoreFullError extends UnavailableError {
  override readonly code = 'objects/store-full';
}
