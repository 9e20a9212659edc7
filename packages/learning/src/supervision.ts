import type { Task } from './fitted-model.ts';

/** The target as target-aware encodings need it: text scores and target statistics. */
export interface Supervision {
  readonly task: Task;
  /** Scores a row has: the number of classes for `multiclass`, otherwise 1. */
  readonly outputCount: number;
  /** Class index of each row, or its (standardised) number. */
  readonly target: Float64Array;
  readonly weights: Float64Array | undefined;
  readonly seed: number | string;
  /** For names of features; null unless the target has classes. */
  readonly classes: readonly string[] | null;
  /** Threads that encodings may be fitted by, 1 by default; they change nothing but the time. */
  readonly threads?: number;
}
