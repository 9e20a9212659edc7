import { InvalidError } from '@slipway/kernel';

/** A decision table, a predicate or a rule file that cannot be understood, or that does not fit the data's columns. */
export class RuleError extends InvalidError {
  override readonly code = 'learning/rules';
}
