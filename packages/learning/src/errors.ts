import { CancelledError, InvalidError, TooLargeError } from '@slipway/kernel';

/** The target cannot be learnt: constant, one class, missing everywhere, or not what the task needs. */
export class TargetError extends InvalidError {
  override readonly code = 'learning/target';
}

/** No column is left that a trainer could use. */
export class NoFeatureError extends InvalidError {
  override readonly code = 'learning/no-feature';
}

/** Fewer training rows than a model can be chosen on. */
export class TooFewRowsError extends InvalidError {
  override readonly code = 'learning/too-few-rows';
}

/** A request to train that contradicts itself (lengths, names, unknown trainers). */
export class TrainRequestError extends InvalidError {
  override readonly code = 'learning/request';
}

/** The table does not fit the memory of a trainer. */
export class TreeSpaceError extends TooLargeError {
  override readonly code = 'learning/tree-space';
}

/** Training was cancelled. */
export class TrainingCancelledError extends CancelledError {
  override readonly code = 'learning/cancelled';
}
