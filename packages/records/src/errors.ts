import { ConflictError, InvalidError, PlatformError, UnavailableError } from '@slipway/kernel';

/** A query went to the pool while the same task holds a transaction; it must use the transaction's handle. */
export class ConnectionHeldError extends PlatformError {
  override readonly code = 'records/connection-held';
  override readonly kind = 'internal' as const;
  constructor() {
    super('A query was sent to the pool from inside an open transaction; send it through the transaction instead.');
  }
}

/** A migration that has already run was changed afterwards, or the store is newer than this program. */
export class MigrationError extends ConflictError {
  override readonly code = 'records/migration';
}

/** Another process owns this home. */
export class HomeLockedError extends ConflictError {
  override readonly code = 'records/home-locked';
}

/** The store cannot be reached or opened. */
export class StoreUnavailableError extends UnavailableError {
  override readonly code = 'records/unavailable';
}

/** The folder is no Slipway home, or one of a format this program cannot read. */
export class HomeFormatError extends ConflictError {
  override readonly code = 'records/home-format';
}

/** A backup that cannot be read or does not fit this store. */
export class BackupError extends InvalidError {
  override readonly code = 'records/backup';
}
