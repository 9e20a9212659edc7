import { InvalidError } from '@slipway/kernel';
import type { Arm, Mirror } from '../contract.ts';
import { allTrafficOn } from '../traffic.ts';
import { RolloutMetric, type RolloutOptions, type RolloutPlan, type RolloutStep } from './contract.ts';

/** Shares of a canary that names none. */
export const CANARY_SHARES: readonly number[] = [0.05, 0.25, 0.5];
const AB_SHARES: readonly number[] = [0.5];

/** Writes out what the options leave to the strategy. @throws {InvalidError} for options that contradict each other. */
export function planRollout(options: RolloutOptions): RolloutPlan {
  const { strategy, confidence, minUnits, minStepSeconds, maxHours, onExpiry, lookSeconds } = options;
  const goals = options.goals ?? [RolloutMetric.parse({ metric: 'error-rate' })];
  const guardrails = options.guardrails ?? defaultGuardrails(goals);
  checkMetrics(goals, guardrails);
  return {
    strategy,
    steps: stepsOf(options),
    goals,
    guardrails,
    require: options.require ?? (strategy === 'ab' ? 'better' : 'no-worse'),
    alpha: Math.round((1 - confidence) * 1e9) / 1e9,
    minUnits,
    minStepSeconds,
    maxHours,
    onExpiry,
    lookSeconds,
  };
}

function stepsOf({ strategy, steps, shadow, approval }: RolloutOptions): RolloutStep[] {
  if (strategy === 'shadow' && steps !== undefined)
    throw wrong('steps', 'A shadow rollout answers no calls, so it has no shares of traffic. Use "canary" with "shadow" for both.');
  if (strategy === 'ab' && steps !== undefined && steps.length !== 1) throw wrong('steps', 'An A/B rollout has one fixed share.');
  const shares = steps ?? (strategy === 'ab' ? AB_SHARES : CANARY_SHARES);
  for (let index = 1; index < shares.length; index += 1) {
    if ((shares[index] ?? 0) <= (shares[index - 1] ?? 0))
      throw wrong('steps', `The shares of a canary must grow, got ${shares.join(', ')}.`);
  }
  const mirrored = strategy === 'shadow' ? (shadow ?? 1) : shadow;
  return [
    ...(mirrored === undefined ? [] : [{ kind: 'shadow' as const, share: mirrored }]),
    ...(strategy === 'shadow' ? [] : shares.map((share) => ({ kind: 'traffic' as const, share }))),
    ...(approval ? [{ kind: 'approval' as const }] : []),
  ];
}

/** What must not break, unless it is a goal already. */
function defaultGuardrails(goals: readonly RolloutMetric[]): RolloutMetric[] {
  const named = new Set(goals.map(({ metric }) => metric));
  return (['error-rate', 'latency', 'predictions'] as const)
    .filter((metric) => !named.has(metric))
    .map((metric) => RolloutMetric.parse({ metric }));
}

function checkMetrics(goals: readonly RolloutMetric[], guardrails: readonly RolloutMetric[]): void {
  if (goals.some(({ metric }) => metric === 'predictions'))
    throw wrong('goals', 'Other predictions are neither better nor worse: "predictions" can only be a guardrail.');
  const seen = new Set<string>();
  for (const metric of [...goals, ...guardrails]) {
    const key = metricKey(metric);
    if (seen.has(key)) throw wrong('goals', `"${key}" is named twice among goals and guardrails.`);
    seen.add(key);
  }
}

function wrong(field: string, message: string): InvalidError {
  return new InvalidError(message, { details: { field: `plan.${field}` }, help: 'slipway rollout start --help' });
}

/** Names a metric where people read it, and tells two of a kind apart. */
export function metricKey(metric: RolloutMetric): string {
  if (metric.metric === 'latency') return `latency p${Number((metric.quantile * 100).toPrecision(4))}`;
  if (metric.metric === 'outcome') return `${metric.outcome} ${metric.score}`;
  return metric.metric;
}

/** What answers during a step; during an approval, what did before it. The candidate's share grows from one end: who met it stays. */
export function trafficOf(
  plan: RolloutPlan,
  step: number,
  revisions: { champion: number; candidate: number },
): { arms: Arm[]; mirrors: Mirror[] } {
  const { champion, candidate } = revisions;
  const measured = measuredStep(plan, step);
  if (measured === undefined) return { arms: allTrafficOn(champion), mirrors: [] };
  if (measured.kind === 'shadow') return { arms: allTrafficOn(champion), mirrors: [{ revision: candidate, share: measured.share }] };
  return {
    arms: [
      { name: 'candidate', revision: candidate, weight: measured.share },
      { name: 'champion', revision: champion, weight: 1 - measured.share },
    ],
    mirrors: [],
  };
}

/** The step that is measured at a position: itself, or the one before an approval. */
export function measuredStep(plan: RolloutPlan, step: number): Exclude<RolloutStep, { kind: 'approval' }> | undefined {
  for (let index = step; index >= 0; index -= 1) {
    const found = plan.steps[index];
    if (found && found.kind !== 'approval') return found;
  }
  return undefined;
}
