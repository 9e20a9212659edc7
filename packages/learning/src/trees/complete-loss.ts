import { TrainRequestError } from '../errors.ts';
import { type Loss, LOSS_KINDS, QUANTILE_LEVEL_DEFAULT, TWEEDIE_POWER_DEFAULT } from './loss.ts';

/**
 * A loss with its parameter filled in and nothing that does not belong to it.
 * @throws {TrainRequestError} naming the parameter that is out of range or not the loss's own.
 */
export function completeLoss(loss: Loss): Loss {
  const { kind, level, power } = loss;
  if (!LOSS_KINDS.includes(kind)) throw new TrainRequestError(`There is no loss "${kind}"; there are ${LOSS_KINDS.join(', ')}.`);
  if (level !== undefined && kind !== 'quantile') throw new TrainRequestError(`The loss ${kind} has no level; only quantile has one.`);
  if (power !== undefined && kind !== 'tweedie') throw new TrainRequestError(`The loss ${kind} has no power; only tweedie has one.`);
  if (kind === 'quantile') return { kind, level: inside('level', level ?? QUANTILE_LEVEL_DEFAULT, 0, 1) };
  if (kind === 'tweedie') return { kind, power: inside('power', power ?? TWEEDIE_POWER_DEFAULT, 1, 2) };
  return { kind };
}

function inside(name: string, value: number, low: number, high: number): number {
  if (value > low && value < high) return value;
  throw new TrainRequestError(`The ${name} of the loss must lie between ${low} and ${high}, got ${value}.`, {
    details: { parameter: name, low, high, got: Number.isFinite(value) ? value : null },
  });
}
