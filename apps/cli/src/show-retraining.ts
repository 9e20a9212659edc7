import type { RetrainAttempt, RetrainPolicy, Retraining } from '@slipway/project/contract';
import { short, table } from './output.ts';

/** A policy and its attempts as people read them. */
export function showRetraining({ release, policy, attempts }: Retraining): string {
  return [
    policy ? showPolicy(release, policy) : `${release} trains again only by hand: slipway retrain ${release}`,
    attempts.length === 0
      ? 'no attempt yet'
      : table(attempts.slice(0, 20).map(attemptRow), ['when', 'event time', 'what', 'revision', 'why']),
  ].join('\n\n');
}

function attemptRow(attempt: RetrainAttempt): (string | number)[] {
  const times = attempt.count > 1 ? ` (${attempt.count} times)` : '';
  return [attempt.at, attempt.eventTime ?? '', `${attempt.status}${times}`, attempt.revision ?? '', explainAttempt(attempt)];
}

/** Trigger, comparison, and what it came to, in one line. */
export function explainAttempt({ trigger, reason, facts }: Pick<RetrainAttempt, 'trigger' | 'reason' | 'facts'>): string {
  return [
    `${trigger.kind === 'hand' ? 'by hand: ' : ''}${trigger.reason}`,
    showComparison(facts.comparison, facts.champion?.revision),
    reason ?? '',
  ]
    .filter((part) => part !== '')
    .join(' → ');
}

function showComparison(comparison: RetrainAttempt['facts']['comparison'], revision: number | undefined): string {
  if (!comparison) return '';
  const { metric, candidate, champion, improvement, low, high } = comparison;
  const number = (value: number | null) => (value === null ? '?' : short(value));
  return `${metric} ${number(candidate)} against ${number(champion)} of revision ${revision ?? '?'} (${number(improvement)}, ${number(low)} to ${number(high)})`;
}

function showPolicy(release: string, { on, data, coolDown, budget, margin, require, rollout, expectedGain }: RetrainPolicy): string {
  const triggers = on.map((trigger) => {
    if (trigger.kind === 'schedule') return `schedule ${trigger.cron} (UTC)`;
    if (trigger.kind === 'new-data') return `${trigger.rows} new labelled calls`;
    if (trigger.kind === 'drift') return `drift over ${trigger.window}`;
    const bound = trigger.atLeast ?? trigger.atMost;
    return `${trigger.metric ?? 'quality'} ${bound === undefined ? `down by ${trigger.drop ?? 0.05}` : `beyond ${bound}`} over ${trigger.window}`;
  });
  return [
    `${release} trains again on ${triggers.length > 0 ? triggers.join(', or ') : 'a person’s word only'}`,
    `  from   the newest ${data.rows} labelled calls${data.days === undefined ? '' : ` of ${data.days} days`}${data.original ? ' and the launched rows' : ''}; the latest ${data.holdBack === undefined ? 'fifth, or more when the margin needs it, is' : `${short(data.holdBack * 100)} % are`} held back`,
    `  gate   ${require === 'better' ? 'better than the live version' : `no worse than the live version by ${margin}`} on the held-back calls, beside the gates of the launch`,
    `  then   ${rollout?.strategy ?? 'shadow, judged by labels'}`,
    `  limits ${coolDown} of event time between attempts, ${budget.runs} attempts and ${budget.seconds} s of training in ${budget.days} days, ${expectedGain.rows} new labelled calls${expectedGain.atLeast > 0 ? `, ${expectedGain.atLeast} to win back` : ''}`,
  ].join('\n');
}
