/** What is kept of one metric of one arm: units, the sum of their values and of the squares. Mergeable by addition. */
export interface ArmSums {
  readonly count: number;
  readonly sum: number;
  readonly squares: number;
}

/** Both arms while the shares of traffic stood still: a step of a canary. Only units of the same time are compared. */
export interface Stratum {
  readonly champion: ArmSums;
  readonly candidate: ArmSums;
}

export interface Difference {
  /** Mean of candidate minus mean of champion. */
  readonly estimate: number;
  readonly standardError: number;
  readonly championMean: number;
  readonly candidateMean: number;
  /** Standard deviations of a unit, as far as they are known; for forecasts. */
  readonly championDeviation: number;
  readonly candidateDeviation: number;
  readonly championCount: number;
  readonly candidateCount: number;
}

export const EMPTY_SUMS: ArmSums = { count: 0, sum: 0, squares: 0 };

export function addSums(left: ArmSums, right: ArmSums): ArmSums {
  return { count: left.count + right.count, sum: left.sum + right.sum, squares: left.squares + right.squares };
}

/** Sums of values, one a unit. */
export function sumsOf(values: Iterable<number>): ArmSums {
  let count = 0;
  let sum = 0;
  let squares = 0;
  for (const value of values) {
    count += 1;
    sum += value;
    squares += value * value;
  }
  return { count, sum, squares };
}

/** Variance of a unit, as if one more unit had lain `pseudo` away from the mean: what has not varied yet may still do so. */
export function smoothedVariance({ count, sum, squares }: ArmSums, pseudo: number): number {
  if (count === 0) return Infinity;
  const spread = Math.max(0, squares - (sum * sum) / count);
  return (spread + pseudo * pseudo) / count;
}

/**
 * Candidate minus champion over strata, each weighted by what it knows (n1 n0 / (n1 + n0), as Cochran, Mantel and Haenszel
 * do), so that a step with other shares of traffic, at another time of the day, does not pass for a difference.
 * @param pseudo deviation of the pseudo-unit of each arm and stratum: half the range of a rate (0.5), the margin of other means.
 */
export function stratifiedDifference(strata: readonly Stratum[], pseudo: number): Difference {
  let weights = 0;
  let weighted = 0;
  let variance = 0;
  let champion = EMPTY_SUMS;
  let candidate = EMPTY_SUMS;
  for (const stratum of strata) {
    champion = addSums(champion, stratum.champion);
    candidate = addSums(candidate, stratum.candidate);
    const n0 = stratum.champion.count;
    const n1 = stratum.candidate.count;
    if (n0 === 0 || n1 === 0) continue;
    const weight = (n0 * n1) / (n0 + n1);
    weights += weight;
    weighted += weight * (stratum.candidate.sum / n1 - stratum.champion.sum / n0);
    // A small arm that has not met a rare event yet must not look certain: no arm varies less than both together do.
    const both = smoothedVariance(addSums(stratum.champion, stratum.candidate), pseudo);
    const unsure =
      Math.max(both, smoothedVariance(stratum.candidate, pseudo)) / n1 + Math.max(both, smoothedVariance(stratum.champion, pseudo)) / n0;
    variance += weight * weight * unsure;
  }
  return {
    estimate: weights === 0 ? 0 : weighted / weights,
    standardError: weights === 0 ? Infinity : Math.sqrt(variance) / weights,
    championMean: meanOf(champion),
    candidateMean: meanOf(candidate),
    championDeviation: Math.sqrt(smoothedVariance(champion, pseudo)),
    candidateDeviation: Math.sqrt(smoothedVariance(candidate, pseudo)),
    championCount: champion.count,
    candidateCount: candidate.count,
  };
}

/** Mean of differences of pairs, both versions having answered the same unit. */
export function pairedDifference(differences: ArmSums, pseudo: number): { estimate: number; standardError: number; deviation: number } {
  const variance = smoothedVariance(differences, pseudo);
  return {
    estimate: meanOf(differences),
    standardError: differences.count === 0 ? Infinity : Math.sqrt(variance / differences.count),
    deviation: Math.sqrt(variance),
  };
}

function meanOf({ count, sum }: ArmSums): number {
  return count === 0 ? 0 : sum / count;
}
