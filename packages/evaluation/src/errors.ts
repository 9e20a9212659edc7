import { InvalidError, NotFoundError } from '@slipway/kernel';

/** Truth, predictions or options that cannot be evaluated; the message names the row or the option. */
export class EvaluationInputError extends InvalidError {
  override readonly code = 'evaluation/input';
}

/** A gate names a metric that the task does not have. */
export class UnknownMetricError extends NotFoundError {
  override readonly code = 'evaluation/unknown-metric';
}
