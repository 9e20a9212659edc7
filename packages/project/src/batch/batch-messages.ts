import { ERROR_KINDS, type ErrorKind, PlatformError, type Remedy } from '@slipway/kernel';
import type { BatchSource, OutputFormat } from '@slipway/data';
import type { ModelMetadata } from '@slipway/models';
import type { BatchRequest } from './contract.ts';

/** How a batch process is set up; the first thing it is told. */
export interface BatchSetup {
  readonly workDirectory: string;
  readonly modelPath: string;
  readonly metadata: ModelMetadata;
  readonly threads: number;
}

/** What a batch process does, in the order in which it is asked; only the writing of a shard goes on beside what follows. */
export type BatchOrder =
  | { readonly type: 'open'; readonly path: string; readonly read: BatchRequest['read']; readonly target: string }
  | {
      readonly type: 'shard';
      readonly file: string;
      readonly from: number;
      readonly to: number;
      readonly keep: readonly string[];
      readonly outputPath: string;
      readonly rejectsPath: string;
    }
  | { readonly type: 'join'; readonly files: readonly string[]; readonly format: OutputFormat; readonly target: string };

/** What an order comes to. */
export interface BatchReplies {
  readonly open: { readonly source: BatchSource; readonly absent: readonly string[]; readonly extra: readonly string[] };
  readonly shard: { readonly rejected: number; readonly hasOutput: boolean };
  readonly join: { readonly rows: number };
}

export interface PlainFailure {
  readonly code: string;
  readonly kind: ErrorKind | null;
  readonly message: string;
  readonly help: string | undefined;
  readonly remedy: Remedy;
  readonly details: Readonly<Record<string, unknown>>;
}

export type ToBatchProcess = { readonly setup: BatchSetup } | { readonly id: number; readonly order: BatchOrder };
export type FromBatchProcess =
  | { readonly id: number; readonly type: 'rows'; readonly rows: number }
  | { readonly id: number; readonly type: 'ratio'; readonly ratio: number }
  | { readonly id: number; readonly type: 'done'; readonly reply: unknown }
  | { readonly id: number; readonly type: 'failed'; readonly failure: PlainFailure };

/** An error in the form that crosses processes. */
export function plainFailure(thrown: unknown): PlainFailure {
  if (thrown instanceof PlatformError) {
    const { code, kind, message, help, remedy, details } = thrown;
    return { code, kind, message, help, remedy, details };
  }
  return {
    code: '',
    kind: null,
    message: thrown instanceof Error ? thrown.message : String(thrown),
    help: undefined,
    remedy: 'report',
    details: {},
  };
}

/** What went wrong in a batch process, with the code and kind it had there. */
class RemoteError extends PlatformError {
  override readonly code: string;
  override readonly kind: ErrorKind;
  override readonly remedy: Remedy;
  constructor(failure: PlainFailure & { kind: ErrorKind }) {
    super(failure.message, { details: failure.details, ...(failure.help === undefined ? {} : { help: failure.help }) });
    this.code = failure.code;
    this.kind = failure.kind;
    this.remedy = failure.remedy;
  }
}

export function reviveFailure(failure: PlainFailure): Error {
  const { kind } = failure;
  if (kind === null || !Object.hasOwn(ERROR_KINDS, kind)) return new Error(failure.message);
  return new RemoteError({ ...failure, kind });
}
