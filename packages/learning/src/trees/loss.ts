import { TrainRequestError } from '../errors.ts';

/** The name of a training loss. `squared` is what a regression learns when nothing is said. */
export type LossKind = 'squared' | 'absolute' | 'quantile' | 'poisson' | 'tweedie' | 'lambdarank';
export const LOSS_KINDS: readonly LossKind[] = ['squared', 'absolute', 'quantile', 'poisson', 'tweedie', 'lambdarank'];

/** What a trainer makes small. Only trees learn other losses than `squared`. */
export interface Loss {
  readonly kind: LossKind;
  /** `quantile`: the share of outcomes that shall lie below the prediction, in 0..1 without its ends. */
  readonly level?: number;
  /** `tweedie`: variance grows with mean ** power; between 1 (Poisson) and 2 (gamma), without its ends. */
  readonly power?: number;
}

export const QUANTILE_LEVEL_DEFAULT = 0.5;
export const TWEEDIE_POWER_DEFAULT = 1.5;

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

/** How a margin becomes the predicted number: itself, or its exponential. */
export type Link = 'identity' | 'log';

/** Losses of amounts and counts are learnt on the logarithm of the expected value. */
export function linkOf(loss: Loss | undefined): Link {
  return loss?.kind === 'poisson' || loss?.kind === 'tweedie' ? 'log' : 'identity';
}

/** Whether the target is standardised while learning: not under a log link, nor where it is a grade. */
export function isStandardised(loss: Loss | undefined): boolean {
  return linkOf(loss) === 'identity' && loss?.kind !== 'lambdarank';
}
