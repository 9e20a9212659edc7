export { ConnectionHeldError, HomeLockedError, MigrationError, StoreUnavailableError } from './errors.ts';
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
