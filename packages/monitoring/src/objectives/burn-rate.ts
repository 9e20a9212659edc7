import type { FieldSketch } from '@slipway/statistics';
import type { Objective, ObjectiveState, Verdict } from '../contract.ts';
import { BURN_BAD_CALLS_MIN } from '../limits.ts';

const HOUR_MS = 3_600_000;

/**
 * When a budget burns fast enough to say so: over the longer window for weight, over the shorter one so that the alert ends
 * soon after its cause. Source: "The Site Reliability Workbook", chapter 5, table 5-8 (for a budget of 30 days).
 */
export const BURN_RULES: readonly {
  readonly verdict: Verdict;
  readonly rate: number;
  readonly longMs: number;
  readonly shortMs: number;
}[] = [
  { verdict: 'drift', rate: 14.4, longMs: HOUR_MS, shortMs: HOUR_MS / 12 },
  { verdict: 'drift', rate: 6, longMs: 6 * HOUR_MS, shortMs: HOUR_MS / 2 },
  { verdict: 'warn', rate: 1, longMs: 72 * HOUR_MS, shortMs: 6 * HOUR_MS },
];

/** Every length of window that the rules look at. */
export const BURN_WINDOWS_MS: readonly number[] = [...new Set(BURN_RULES.flatMap((rule) => [rule.longMs, rule.shortMs]))];

/** What a window says: calls, and the part of them that spent the budget. */
export interface BurnCount {
  readonly calls: number;
  /** Bad calls; for costs, the money spent over the money planned, in calls. */
  readonly bad: number;
}

/** How many times faster than planned a window spends its budget: 1 uses it up exactly at the end of the period. */
export function burnRate(count: BurnCount, allowedRatio: number): number {
  return count.calls === 0 ? 0 : count.bad / count.calls / allowedRatio;
}

/** Reads an objective's calls from the sketches that telemetry keeps of every call. */
export function countBurn(objective: Objective, sketches: ReadonlyMap<string, FieldSketch>): BurnCount {
  const calls = sketches.get('call:error')?.count ?? 0;
  if (objective.kind === 'errors') return { calls, bad: shareAbove(sketches.get('call:error'), 0.5) * calls };
  if (objective.kind === 'latency') {
    const latency = sketches.get('call:latencyMs');
    return { calls: latency?.present ?? 0, bad: shareAbove(latency, objective.thresholdMs) * (latency?.present ?? 0) };
  }
  const cost = sketches.get('call:costMicros');
  return { calls: cost?.present ?? 0, bad: cost && cost.present > 0 ? (cost.mean * cost.present) / objective.microsPerCall : 0 };
}

function shareAbove(sketch: FieldSketch | undefined, threshold: number): number {
  return sketch && sketch.present > 0 ? 1 - sketch.cdf(threshold) : 0;
}

/** The share of calls that may be bad; a cost objective plans its whole budget. */
export function allowedRatioOf(objective: Objective): number {
  return objective.kind === 'cost' ? 1 : objective.atMost;
}

/** Judges an objective by counts of every window of the rules. */
export function judgeObjective(objective: Objective, countOf: (windowMs: number) => BurnCount): ObjectiveState {
  const allowed = allowedRatioOf(objective);
  const windows = BURN_WINDOWS_MS.toSorted((a, b) => a - b).map((windowMs) => {
    const count = countOf(windowMs);
    return { windowMs, ...count, burnRate: burnRate(count, allowed) };
  });
  const at = (windowMs: number) => windows.find((each) => each.windowMs === windowMs);
  const firing = BURN_RULES.find((rule) => {
    const [long, short] = [at(rule.longMs), at(rule.shortMs)];
    return long && short && long.bad >= BURN_BAD_CALLS_MIN && long.burnRate > rule.rate && short.burnRate > rule.rate;
  });
  const base = { name: objective.name, objective, windows, cause: null };
  if (firing) {
    const rate = Math.min(at(firing.longMs)?.burnRate ?? 0, at(firing.shortMs)?.burnRate ?? 0);
    const reason = `the budget is spent ${rate.toPrecision(3)} times as fast as planned, over ${hours(firing.longMs)} and ${hours(firing.shortMs)}`;
    return { ...base, verdict: firing.verdict, reason };
  }
  const isQuiet = windows.every((each) => each.calls === 0);
  return isQuiet ? { ...base, verdict: 'not-enough-data', reason: 'no calls' } : { ...base, verdict: 'ok', reason: 'within its budget' };
}

function hours(lengthMs: number): string {
  return lengthMs < HOUR_MS ? `${lengthMs / 60_000} min` : `${lengthMs / HOUR_MS} h`;
}
