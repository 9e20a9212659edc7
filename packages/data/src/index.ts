export { dataCapability } from './capability.ts';
export {
  READING_VERSION,
  createData,
  metaOf,
  toDatasetVersion,
  type Data,
  type DataDeps,
  type IngestVersionRequest,
  type IngestedVersion,
  type VersionSource,
} from './data-service.ts';
export { ENGINE_MEMORY_MIB, ENGINE_THREADS, createEngine, type Engine, type EngineOptions } from './engine.ts';
export { ingest, type IngestDeps, type IngestRequest, type IngestResult, type ReadTable, type SourceOptions } from './ingest.ts';
export { FRAME_CELL_LIMIT, INGEST_LIMITS, PREVIEW_ROW_LIMIT, UPLOAD_LIMIT_BYTES, type IngestLimits } from './limits.ts';
export { hasIdName, inferRoles, type RoleWishes, type Roles } from './infer-roles.ts';
export { inferContract } from './infer-contract.ts';
export { concatFrames } from './load-frame.ts';
export { convertSource, describeSource, type BatchSource } from './batch/convert-source.ts';
export { joinShards, type OutputFormat } from './batch/join-shards.ts';
export { planBatch, type BatchField, type BatchPlan, type SourceColumn } from './batch/plan-batch.ts';
export { type AnswerColumn, type Answers } from './batch/answer-writer.ts';
export { PIECE_ROWS } from './batch/load-piece.ts';
export { runShard, type ShardRequest, type ShardResult } from './batch/run-shard.ts';
export { planSplit, type Split, type SplitRequest, type SplitStrategy, type SplitTask } from './plan-split.ts';
export { eraseSubjectRows, type ErasedRows } from './erase-rows.ts';
export { QUANTILE_SHARES, RARE_VALUE_MIN } from './profile-table.ts';
export type {
  ColumnProblem,
  ColumnProfile,
  DatasetMeta,
  DatasetVersion,
  Encoding,
  Enforcement,
  Note,
  Profile,
  Reading,
  SourceFormat,
  Violation,
} from './contract.ts';
export {
  BatchColumnsError,
  BrokenGzipError,
  ColumnCountError,
  ColumnNameError,
  DataContractError,
  DatasetNotFoundError,
  DuplicateColumnError,
  EmptySourceError,
  EngineMemoryError,
  FieldTooLargeError,
  FrameTooLargeError,
  InvalidEncodingError,
  JsonRowError,
  NoHeaderError,
  NoRowsError,
  NulByteError,
  ParquetError,
  QuoteError,
  RaggedRowsError,
  RoleError,
  SourceTooLargeError,
  SplitError,
  TooManyColumnsError,
  TooManyRowsError,
  UnknownColumnError,
  UnknownFormatError,
} from './errors.ts';
