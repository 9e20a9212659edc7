import { PlatformError } from '@slipway/kernel';
import type { ModelMetadata } from './contract.ts';
import type { EngineOptions, Numbers } from './engine.ts';
import {
  InferenceError,
  ModelClosedError,
  ModelFormatError,
  ModelRefusedError,
  ModelTooLargeError,
  ProviderMissingError,
  SignatureError,
} from './errors.ts';
import type { EncodedRows, InputPlan } from './input-plan.ts';
import type { ModelSource, PreparedModel, PrepareOptions } from './prepare.ts';

export type WorkerRequest =
  | { readonly type: 'prepare'; readonly source: ModelSource; readonly metadata: ModelMetadata; readonly options: PrepareOptions }
  /** A model that another thread has prepared. */
  | { readonly type: 'open'; readonly source: ModelSource; readonly plan: InputPlan; readonly options: EngineOptions }
  | { readonly type: 'run'; readonly rows: EncodedRows; readonly outputs: readonly string[] }
  | { readonly type: 'close' };

/** An error in the form that crosses threads: class instances do not. */
export interface PlainError {
  readonly code: string;
  readonly message: string;
  readonly help: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
}

export type WorkerReply =
  | { readonly id: number; readonly type: 'prepared'; readonly prepared: PreparedModel }
  | { readonly id: number; readonly type: 'opened' }
  | { readonly id: number; readonly type: 'ran'; readonly numbers: readonly Numbers[] }
  | { readonly id: number; readonly type: 'failed'; readonly error: PlainError };

export function plainError(thrown: unknown): PlainError {
  if (thrown instanceof PlatformError) {
    return { code: thrown.code, message: thrown.message, help: thrown.help, details: thrown.details };
  }
  return { code: '', message: thrown instanceof Error ? thrown.message : String(thrown), help: undefined, details: {} };
}

const CLASSES = new Map(
  [ModelFormatError, ModelRefusedError, ModelTooLargeError, SignatureError, ModelClosedError, ProviderMissingError].map((Class) => [
    new Class('').code as string,
    Class,
  ]),
);

/** The error as its own class again; what is no error of ours becomes an InferenceError. */
export function reviveError({ code, message, help, details }: PlainError): PlatformError {
  const Class = CLASSES.get(code) ?? InferenceError;
  return new Class(message, { details, ...(help === undefined ? {} : { help }) });
}
