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

/** What a number is of its margin: `identity` mean + deviation x margin, `root` its square, `log` exp(margin). */
export type Link = 'identity' | 'log' | 'root';

/** Losses of amounts and counts are learnt on the logarithm of the expected value. */
export function linkOf(loss: Loss | undefined): Link {
  return loss?.kind === 'poisson' || loss?.kind === 'tweedie' ? 'log' : 'identity';
}

/** Whether the target is standardised while learning: not under a log link, nor where it is a grade. */
export function isStandardised(loss: Loss | undefined): boolean {
  return linkOf(loss) === 'identity' && loss?.kind !== 'lambdarank';
}
