import { ROLLBACK_UNITS_MIN, type MetricVerdict, type RolloutLook, type RolloutPlan, type RolloutStatus } from './contract.ts';

export interface Situation {
  readonly plan: RolloutPlan;
  readonly status: RolloutStatus;
  readonly step: number;
  readonly startedAtMs: number;
  readonly stepEnteredAtMs: number;
  readonly nowMs: number;
  readonly look: Omit<RolloutLook, 'reason' | 'verdict'>;
}

export interface Decision {
  readonly action: 'stay' | 'next' | 'promote' | 'roll-back';
  readonly reason: string;
}

const stay = (reason: string): Decision => ({ action: 'stay', reason });

/** What all metrics together say: one that is worse is enough, and better means better somewhere and worse nowhere. */
export function overallVerdict(metrics: readonly MetricVerdict[]): RolloutLook['verdict'] {
  const goals = metrics.filter(({ role }) => role === 'goal');
  if (metrics.some(({ verdict }) => verdict === 'worse')) return 'worse';
  if (goals.some(({ verdict }) => verdict === 'undecided')) return 'undecided';
  return goals.some(({ verdict }) => verdict === 'better') ? 'better' : 'no-worse';
}

/** What a rollout does after a look. Pure: the same evidence decides the same. */
export function decideRollout(situation: Situation): Decision {
  const { plan, status, look } = situation;
  const harm = findHarm(look);
  if (harm !== undefined) return { action: 'roll-back', reason: harm };
  if (status === 'paused') return stay('paused');
  const expired = situation.nowMs - situation.startedAtMs >= plan.maxHours * 3_600_000;
  if (status === 'awaiting-approval') {
    return expired ? { action: 'roll-back', reason: `nobody approved it within ${plan.maxHours} hours` } : stay('waiting for approval');
  }
  const open = findOpen(situation);
  if (open === undefined) return { action: isLast(plan, situation.step) ? 'promote' : 'next', reason: passed(situation) };
  if (!expired) return stay(open);
  const action = plan.onExpiry === 'promote' ? 'promote' : 'roll-back';
  return { action, reason: `not enough evidence within ${plan.maxHours} hours (${open})` };
}

/** Why it must end now, paused or not. */
function findHarm({ sampleRatio, metrics, units }: Situation['look']): string | undefined {
  if (sampleRatio.mismatch) {
    const percent = (value: number | null) => `${((value ?? 0) * 100).toFixed(2)} %`;
    return `sample ratio mismatch: ${percent(sampleRatio.candidateShare)} of the units are the candidate's, intended were ${percent(sampleRatio.intendedShare)}; units are being lost, so the comparison cannot be trusted`;
  }
  if (units.candidate < ROLLBACK_UNITS_MIN) return undefined;
  const worse = metrics.find(({ verdict }) => verdict === 'worse');
  return worse && `${worse.metric} is worse: ${told(worse)}`;
}

/** What is still missing for the step to be over. */
function findOpen({ plan, step, stepEnteredAtMs, nowMs, look }: Situation): string | undefined {
  const { champion, candidate } = look.stepUnits;
  const fewest = Math.min(champion, candidate);
  if (fewest < plan.minUnits) return `${fewest} of ${plan.minUnits} units in this step`;
  const seconds = (nowMs - stepEnteredAtMs) / 1000;
  if (seconds < plan.minStepSeconds) return `${Math.ceil(plan.minStepSeconds - seconds)} s of this step are left`;
  if (!isLastMeasured(plan, step)) return undefined;
  const goals = look.metrics.filter(({ role }) => role === 'goal');
  const undecided = goals.find(({ verdict }) => verdict === 'undecided');
  if (undecided) return `${undecided.metric} is not decided: ${told(undecided)}`;
  if (plan.require === 'better' && !goals.some(({ verdict }) => verdict === 'better'))
    return `no goal is better yet: ${goals.map(told).join('; ')}`;
  return undefined;
}

function passed({ plan, step, look }: Situation): string {
  if (!isLastMeasured(plan, step)) return `nothing is worse after ${look.stepUnits.candidate} units of the candidate`;
  return look.metrics
    .filter(({ role }) => role === 'goal')
    .map((goal) => `${goal.metric} is ${goal.verdict === 'better' ? 'better' : 'no worse'}: ${told(goal)}`)
    .join('; ');
}

function told({ difference, low, high, margin, metric }: MetricVerdict): string {
  const text = (value: number | null, open: string) => (value === null ? open : String(Number(value.toPrecision(3))));
  const what = metric.startsWith('latency') ? 'ratio' : 'difference';
  return `${what} ${text(difference, '?')} in ${text(low, '-∞')} … ${text(high, '∞')}, margin ${text(margin, '?')}`;
}

function isLast(plan: RolloutPlan, step: number): boolean {
  return step >= plan.steps.length - 1;
}

/** Whether goals must be shown before leaving this step: nothing after it measures more. */
function isLastMeasured(plan: RolloutPlan, step: number): boolean {
  return plan.steps.slice(step + 1).every(({ kind }) => kind === 'approval');
}
