export { BACKUP_BATCH_ROWS, DumpLine, dumpRecords, restoreRecords } from './backup.ts';
export { BackupError, ConnectionHeldError, HomeFormatError, HomeLockedError, MigrationError, StoreUnavailableError } from './errors.ts';
export { HOME_FORMAT, HomeHolder, findHolder, openHome, type Home } from './home.ts';
export { migrate } from './migrate.ts';
export {
  POSTGRES_POOL_SIZE,
  openRecords,
  type Db,
  type EmbeddedExtras,
  type Records,
  type RecordsOptions,
  type Tables,
  type Tx,
} from './records.ts';
