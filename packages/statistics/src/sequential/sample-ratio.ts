import { logRateEvidence } from './mixture.ts';

/** Units that arrived in each arm while its share of the traffic stood still. */
export interface SplitCount {
  readonly candidate: number;
  readonly champion: number;
  /** Share that the candidate should have had, 0..1 exclusive. */
  readonly share: number;
}

export interface SampleRatio {
  /** True once the shares are surely not the intended ones: the comparison cannot be trusted. */
  readonly mismatch: boolean;
  /** Anytime-valid p-value: 1 / (largest evidence); never below what the present evidence says. */
  readonly pValue: number;
  readonly candidateShare: number | null;
  readonly intendedShare: number | null;
}

/** Error probability of the check over all looks; it runs beside the verdicts and should hardly ever be wrong. */
export const SAMPLE_RATIO_ALPHA = 0.005;
/** Strength of the mixture: shares that are off by some hundredths are found soonest. */
const MIXTURE_STRENGTH = 1_000;

/**
 * Whether units arrive in the arms as they were dealt. A candidate that crashes, or loses its records, loses units, and
 * then what is left of them says nothing. Exact at every look (a product of beta-binomial martingales).
 */
export function checkSampleRatio(splits: readonly SplitCount[], alpha = SAMPLE_RATIO_ALPHA): SampleRatio {
  let logEvidence = 0;
  let candidate = 0;
  let total = 0;
  let intended = 0;
  for (const split of splits) {
    const count = split.candidate + split.champion;
    if (count === 0 || split.share <= 0 || split.share >= 1) continue;
    logEvidence += logRateEvidence(split.candidate, count, split.share, MIXTURE_STRENGTH);
    candidate += split.candidate;
    total += count;
    intended += count * split.share;
  }
  return {
    mismatch: logEvidence > -Math.log(alpha),
    pValue: Math.min(1, Math.exp(-logEvidence)),
    candidateShare: total === 0 ? null : candidate / total,
    intendedShare: total === 0 ? null : intended / total,
  };
}
