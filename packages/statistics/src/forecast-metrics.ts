import { requireSameLength } from './errors.ts';
import type { Numbers } from './order.ts';

/** Steps whose truth is missing (NaN) are left out by every metric here; when none is left the metric is NaN. */

/**
 * Symmetric mean absolute percentage error as the M4 competition counts it, in percent: 200 · |y - f| / (|y| + |f|).
 * A step where both are zero counts as 0. Source: Makridakis, Spiliotis & Assimakopoulos 2020.
 */
export function smape(forecast: Numbers, truth: Numbers): number {
  return meanOver(forecast, truth, (f, y) => {
    const size = Math.abs(y) + Math.abs(f);
    return size === 0 ? 0 : (200 * Math.abs(y - f)) / size;
  });
}

/**
 * Mean absolute difference of values `season` steps apart: what a seasonal naive forecast is wrong by on the history, and
 * the unit of MASE. NaN when no such pair is known.  @param season whole number >= 1.
 */
export function naiveScale(history: Numbers, season: number): number {
  let sum = 0;
  let count = 0;
  for (let at = season; at < history.length; at += 1) {
    const difference = Math.abs((history[at] as number) - (history[at - season] as number));
    if (difference !== difference) continue;
    sum += difference;
    count += 1;
  }
  return count === 0 ? Number.NaN : sum / count;
}

/** Mean absolute scaled error (Hyndman & Koehler 2006). @param scale see `naiveScale`; NaN unless it is above zero. */
export function mase(forecast: Numbers, truth: Numbers, scale: number): number {
  return scale > 0 ? meanOver(forecast, truth, (f, y) => Math.abs(y - f)) / scale : Number.NaN;
}

/** Share of truths inside their interval, bounds included. */
export function intervalCoverage(low: Numbers, high: Numbers, truth: Numbers): number {
  requireSameLength({ low, high, truth });
  let inside = 0;
  let count = 0;
  for (let at = 0; at < truth.length; at += 1) {
    const y = truth[at] as number;
    if (y !== y) continue;
    count += 1;
    if (y >= (low[at] as number) && y <= (high[at] as number)) inside += 1;
  }
  return count === 0 ? Number.NaN : inside / count;
}

/**
 * Mean interval (Winkler) score: the width, and for each truth outside 2 / (1 - level) times its distance. Lower is
 * better; narrow intervals that do not cover are punished. Source: Gneiting & Raftery 2007, equation 43.
 */
export function intervalScore(low: Numbers, high: Numbers, truth: Numbers, level: number): number {
  requireSameLength({ low, high, truth });
  let sum = 0;
  let count = 0;
  for (let at = 0; at < truth.length; at += 1) {
    const y = truth[at] as number;
    if (y !== y) continue;
    const below = Math.max(0, (low[at] as number) - y);
    const above = Math.max(0, y - (high[at] as number));
    sum += (high[at] as number) - (low[at] as number) + (2 / (1 - level)) * (below + above);
    count += 1;
  }
  return count === 0 ? Number.NaN : sum / count;
}

function meanOver(forecast: Numbers, truth: Numbers, error: (f: number, y: number) => number): number {
  requireSameLength({ forecast, truth });
  let sum = 0;
  let count = 0;
  for (let at = 0; at < truth.length; at += 1) {
    const y = truth[at] as number;
    if (y !== y) continue;
    sum += error(forecast[at] as number, y);
    count += 1;
  }
  return count === 0 ? Number.NaN : sum / count;
}
