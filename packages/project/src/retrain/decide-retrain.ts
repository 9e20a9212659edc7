import { type RetrainPolicy, type SkipCode, durationMs } from './contract.ts';

/** Wall time after an attempt that failed for a reason of the machine. */
export const BACK_OFF_MS = 10 * 60_000;

/** What a decision goes by. Event times end with the newest labelled call. */
export interface RetrainSituation {
  readonly nowMs: number;
  readonly eventNowMs: number;
  /** Labelled calls that the last attempt did not have. */
  readonly newRows: number;
  /** The last attempt that was not skipped. */
  readonly last: { readonly failed: boolean; readonly endedAtMs: number | null; readonly eventAtMs: number | null } | undefined;
  /** Attempts and their seconds of training within the budget's days. */
  readonly spent: { readonly runs: number; readonly seconds: number };
  /** Quality lost since the live version was proven; null when it was not asked for or cannot be known. */
  readonly gain: { readonly metric: string; readonly lost: number } | null;
}

export type RetrainDecision = { readonly start: true } | { readonly start: false; readonly code: SkipCode; readonly reason: string };

const skip = (code: SkipCode, reason: string): RetrainDecision => ({ start: false, code, reason });
const short = (value: number) => String(Number(value.toPrecision(3)));

/** Whether an attempt that a trigger asks for may begin. Pure. */
export function decideRetrain(policy: RetrainPolicy, situation: RetrainSituation): RetrainDecision {
  const { last, spent, newRows, gain, nowMs, eventNowMs } = situation;
  const { budget, expectedGain } = policy;
  if (last?.failed && nowMs - (last.endedAtMs ?? nowMs) < BACK_OFF_MS)
    return skip('back-off', `the last attempt failed; the next waits until ${BACK_OFF_MS / 60_000} minutes of wall time have passed`);
  const rested = eventNowMs - (last?.eventAtMs ?? Number.NEGATIVE_INFINITY);
  if (rested < durationMs(policy.coolDown)) {
    const until = new Date((last?.eventAtMs ?? 0) + durationMs(policy.coolDown)).toISOString();
    return skip('cool-down', `cool-down of ${policy.coolDown} until the event time ${until}`);
  }
  if (spent.runs >= budget.runs) return skip('budget-runs', `the budget of ${budget.runs} runs in ${budget.days} days is spent`);
  if (spent.seconds >= budget.seconds)
    return skip('budget-seconds', `${short(spent.seconds)} of ${budget.seconds} seconds of training in ${budget.days} days are spent`);
  if (newRows < expectedGain.rows)
    return skip('few-rows', `fewer than ${expectedGain.rows} labelled calls are new, so there is little to learn`);
  if (expectedGain.atLeast > 0) {
    if (gain === null)
      return skip('small-gain', 'what could be won is not known: the live version has too few labelled calls, or no report');
    if (gain.lost < expectedGain.atLeast)
      return skip('small-gain', `the live version lost less than ${expectedGain.atLeast} of ${gain.metric} since it was proven`);
  }
  return { start: true };
}
