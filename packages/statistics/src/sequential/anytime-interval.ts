import { RangeOfValueError } from '../errors.ts';

/** An interval that holds at every look at once: whoever stops when he likes is still right with the stated confidence. */
export interface AnytimeInterval {
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
}

export interface AnytimeOptions {
  /** Probability, over all looks together, that the interval ever leaves out the truth; 0..1, exclusive. */
  readonly alpha: number;
  /** Size of effect that matters, in the unit of the estimate; the interval is tightest around the time that decides it. */
  readonly effectScale: number;
}

/**
 * Half-width of a confidence sequence around an estimate with this standard error. The estimate may be looked at after
 * every observation: its cumulated information must only grow, with independent increments, as means and differences of
 * means of independent units have.
 *
 * Robbins' normal mixture over effects N(0, effectScale^2), on the scale of information I = 1 / standardError^2; with
 * estimated variances it is the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (Annals of
 * Statistics 2024). While the standard error is above the effect scale it is very wide, which also covers the time in which
 * a mean is not normal yet; `bench/rollout-simulation.ts` measures what is left of that, rare events included.
 * @throws {RangeOfValueError}
 */
export function anytimeRadius(standardError: number, { alpha, effectScale }: AnytimeOptions): number {
  if (!(alpha > 0 && alpha < 1)) throw new RangeOfValueError(`alpha must lie between 0 and 1, got ${alpha}.`);
  if (!(effectScale > 0)) throw new RangeOfValueError(`effectScale must be above 0, got ${effectScale}.`);
  if (!(standardError >= 0)) throw new RangeOfValueError(`A standard error must not be negative, got ${standardError}.`);
  if (standardError === 0) return 0;
  if (standardError === Infinity) return Infinity;
  // Information in units of the scale's own: I / kappa.
  const ratio = (effectScale / standardError) ** 2;
  return standardError * Math.sqrt(((ratio + 1) / ratio) * (Math.log1p(ratio) - 2 * Math.log(alpha)));
}

/** Share of alpha that is spent on finding effects so large that they show in a few units. */
const ALARM_ALPHA_RATIO = 0.1;
/** Such effects are this many times the scale. */
const ALARM_SCALE_RATIO = 10;

/**
 * The confidence sequence at one look: the tighter of one made for effects of the given scale and one, at a tenth of alpha,
 * for effects ten times as large, so that a version that fails always is found after some dozens of units.
 */
export function anytimeInterval(estimate: number, standardError: number, { alpha, effectScale }: AnytimeOptions): AnytimeInterval {
  const radius = Math.min(
    anytimeRadius(standardError, { alpha: alpha * (1 - ALARM_ALPHA_RATIO), effectScale }),
    anytimeRadius(standardError, { alpha: alpha * ALARM_ALPHA_RATIO, effectScale: effectScale * ALARM_SCALE_RATIO }),
  );
  return { estimate, low: estimate - radius, high: estimate + radius };
}

/**
 * What an interval of (candidate - champion) says, more being better: `better`, `no-worse` than the margin, `worse`, or
 * `undecided`: not enough evidence yet.
 */
export type Verdict = 'better' | 'no-worse' | 'worse' | 'undecided';

/** For what a rollout is about: a loss is a loss as soon as it is sure, unless it is sure to lie within the margin. */
export function judgeGoal({ low, high }: Pick<AnytimeInterval, 'low' | 'high'>, margin: number): Verdict {
  if (low > 0) return 'better';
  if (low > -margin) return 'no-worse';
  return high < 0 ? 'worse' : 'undecided';
}

/** For what must merely not break: `worse` only when the loss is sure to be larger than the margin. */
export function judgeGuardrail({ low, high }: Pick<AnytimeInterval, 'low' | 'high'>, margin: number): Verdict {
  if (high < -margin) return 'worse';
  if (low > 0) return 'better';
  return low > -margin ? 'no-worse' : 'undecided';
}
