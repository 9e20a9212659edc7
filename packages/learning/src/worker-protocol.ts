import type { Contract, Frame } from '@slipway/kernel';
import type { Calibration } from './calibration.ts';
import type { EnsembleMember, FittedModel, SinglePredictor, Task } from './fitted-model.ts';
import type { EncodedMatrix } from './matrix.ts';
import type { Preparation } from './preparation.ts';
import type { Blend, BlendRequest } from './search/blend.ts';
import type { Candidate } from './search/candidates.ts';
import type { FoldResult } from './search/evaluate.ts';
import type { SelectionStrategy } from './search/folds.ts';
import type { RootProbe } from './search/root-probe.ts';
import type { Rung } from './search/rungs.ts';
import type { Supervision } from './supervision.ts';
import type { ModelConstraints } from './trees/constraints.ts';
import type { Loss } from './trees/loss.ts';
import type { RootSquared } from './trees/objective.ts';

/** What the training thread is asked; arrays lie in shared memory or are copied. */
export type TrainRequestMessage =
  | {
      readonly kind: 'prepare';
      readonly contract: Contract;
      readonly frame: Frame;
      readonly supervision: Supervision;
      /** The field whose order the model will be judged by. */
      readonly timeField: string | undefined;
      readonly loss: Loss | undefined;
    }
  | {
      readonly kind: 'load';
      readonly task: Task;
      readonly outputCount: number;
      readonly matrix: EncodedMatrix;
      /** Class index, or the standardised number. */
      readonly target: Float64Array;
      readonly weights: Float64Array | undefined;
      /** Query of each row; ranking only. */
      readonly queries: Int32Array | undefined;
      /** Time of each row, when later rows will judge the model; and the features that say how much of it has elapsed. */
      readonly order: Float64Array | undefined;
      readonly coarse: readonly number[];
      readonly loss: Loss | undefined;
      /** When roots of the target are learnt. */
      readonly root: RootSquared | undefined;
      readonly constraints: ModelConstraints | undefined;
      readonly seed: number | string;
      /** Whether candidates will be compared; without, no folds are made. */
      readonly withFolds: boolean;
    }
  | {
      readonly kind: 'evaluate';
      readonly candidates: readonly Candidate[];
      readonly fold: number;
      readonly rowRatio: number;
      readonly deadlineMs: number;
      readonly mustFinish: boolean;
    }
  | { readonly kind: 'probe'; readonly probe: RootProbe }
  | { readonly kind: 'blend'; readonly request: BlendRequest }
  | {
      readonly kind: 'refit';
      readonly candidate: Candidate;
      /** Boosting rounds on all rows; 0 for linear models. */
      readonly rounds: number;
      /** Threads that may grow one tree together, this one included. */
      readonly growThreads: number;
    }
  | {
      readonly kind: 'export';
      readonly members: readonly EnsembleMember[];
      readonly calibration: Calibration | null;
      readonly preparation: Preparation;
      readonly classes: readonly string[] | null;
      readonly scale: FittedModel['scale'];
      readonly metadata: Readonly<Record<string, string>>;
    };

export interface TrainReplies {
  readonly prepare: { readonly preparation: Preparation; readonly matrix: EncodedMatrix };
  readonly load: {
    readonly strategy: SelectionStrategy;
    /** Rows that each fold holds out; none without a search. */
    readonly tests: readonly Int32Array[];
    readonly rungs: readonly Rung[];
    readonly foldRowCount: number;
  };
  readonly evaluate: { readonly results: readonly FoldResult[] };
  readonly blend: Blend;
  /** One a fold. */
  readonly probe: { readonly errors: readonly number[] };
  /** Their margins add up. */
  readonly refit: { readonly predictors: readonly SinglePredictor[] };
  readonly export: { readonly fitted: FittedModel; readonly bytes: Uint8Array };
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
