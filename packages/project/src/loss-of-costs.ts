import type { LaunchDefinition } from './contract.ts';

/**
 * The definition with the loss that its costs ask for: when a unit too low costs four times one too high, the prediction
 * of least cost is the value below which four fifths of the outcomes lie. A loss of its own, or a linear trainer, which
 * learns no quantiles, is left as it is.
 */
export function withLossOfCosts(definition: LaunchDefinition): LaunchDefinition {
  const { objective, loss, train } = definition;
  if (!objective?.costPerUnitError || loss !== undefined || train.kind === 'linear') return definition;
  const { over, under } = objective.costPerUnitError;
  return { ...definition, loss: { kind: 'quantile', level: under / (under + over) } };
}
