import { CancelledError, InvalidError, TooLargeError } from '@slipway/kernel';
import type { PlainError } from './worker-protocol.ts';

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

/** The stored explainer is not one, or of a format that is not read here. */
export class ExplainerFormatError extends InvalidError {
  override readonly code = 'learning/explainer-format';
}

/** What was asked of an explanation does not fit the model: an unknown class, a bound for labels. */
export class ExplainRequestError extends InvalidError {
  override readonly code = 'learning/explain-request';
}

/** The version has no explainer beside it: it was not trained here, or before explainers were kept. */
export class NotExplainableError extends InvalidError {
  override readonly code = 'learning/not-explainable';
}

/** Training was cancelled. */
export class TrainingCancelledError extends CancelledError {
  override readonly code = 'learning/cancelled';
}

const REVIVABLE = {
  'learning/no-feature': NoFeatureError,
  'learning/tree-space': TreeSpaceError,
  'learning/request': TrainRequestError,
  'learning/explainer-format': ExplainerFormatError,
  'learning/explain-request': ExplainRequestError,
} as const;

/** The error a training thread reported; unknown ones become plain errors with the thread's stack. */
export function reviveError(error: PlainError): Error {
  const known = Object.entries(REVIVABLE).find(([code]) => code === error.code);
  if (known) return new known[1](error.message, { details: error.details, ...(error.help === undefined ? {} : { help: error.help }) });
  const revived = new Error(error.message);
  if (error.stack !== undefined) revived.stack = error.stack;
  return revived;
}

/** A table, a definition or a call that no forecast can be made from. */
export class ForecastInputError extends InvalidError {
  override readonly code = 'learning/forecast-input';
}
