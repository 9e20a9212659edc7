import type { Contract, Frame } from '@slipway/kernel';
import type { FittedModel, Task } from './fitted-model.ts';
import type { EncodedMatrix } from './matrix.ts';
import type { Preparation } from './preparation.ts';
import type { Candidate } from './search/candidates.ts';
import type { Evaluation } from './search/evaluate.ts';

/** What the training thread is asked; arrays lie in shared memory or are copied. */
export type TrainRequestMessage =
  | { readonly kind: 'prepare'; readonly contract: Contract; readonly frame: Frame }
  | {
      readonly kind: 'load';
      readonly task: Task;
      readonly outputCount: number;
      readonly matrix: EncodedMatrix;
      /** Class index, or the standardised number. */
      readonly target: Float64Array;
      readonly weights: Float64Array | undefined;
      readonly seed: number | string;
    }
  | { readonly kind: 'evaluate'; readonly candidates: readonly Candidate[]; readonly deadlineMs: number; readonly mustFinish: boolean }
  | {
      readonly kind: 'refit';
      readonly candidate: Candidate;
      readonly rounds: number;
      readonly preparation: Preparation;
      readonly classes: readonly string[] | null;
      readonly scale: FittedModel['scale'];
      readonly metadata: Readonly<Record<string, string>>;
    };

export interface TrainReplies {
  readonly prepare: { readonly preparation: Preparation; readonly matrix: EncodedMatrix };
  readonly load: { readonly folds: number; readonly strategy: string; readonly repeats: number; readonly foldRowCount: number };
  readonly evaluate: { readonly evaluations: readonly Evaluation[] };
  readonly refit: { readonly fitted: FittedModel; readonly bytes: Uint8Array; readonly rounds: number };
}

/** An error on its way between threads. */
export interface PlainError {
  readonly code: string | null;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly help: string | undefined;
  readonly stack: string | undefined;
}

export type TrainReplyMessage =
  | { readonly type: 'done'; readonly value: TrainReplies[keyof TrainReplies] }
  | { readonly type: 'progress'; readonly ratio: number }
  | { readonly type: 'failed'; readonly error: PlainError };
