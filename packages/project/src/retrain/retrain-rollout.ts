import { RolloutMetric, RolloutOptions } from '@slipway/releases/rollout-contract';
import type { RetrainPolicy } from './contract.ts';

/** How much worse a refreshed version may be by the outcome and still take over. */
export const REFRESH_MARGIN = 0.05;

/**
 * How a retrained version takes over: as the policy says, else by a paired shadow judged by the outcome. Other answers than
 * the live version's are what a retraining is for, so `predictions` is no guardrail unless it is named.
 */
export function retrainRollout(policy: RetrainPolicy, task: string): RolloutOptions {
  const score = task === 'regression' ? 'absolute-error' : 'correct';
  const goals = [RolloutMetric.parse({ metric: 'outcome', outcome: policy.outcome, score, margin: REFRESH_MARGIN })];
  const options = policy.rollout ?? RolloutOptions.parse({ strategy: 'shadow' });
  const named = new Set((options.goals ?? goals).map(({ metric }) => metric));
  const guardrails = (['error-rate', 'latency'] as const).filter((metric) => !named.has(metric));
  return RolloutOptions.parse({
    ...options,
    goals: options.goals ?? goals,
    guardrails: options.guardrails ?? guardrails.map((metric) => RolloutMetric.parse({ metric })),
  });
}
