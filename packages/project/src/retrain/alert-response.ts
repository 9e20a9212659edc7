import { parseTime } from '@slipway/kernel';
import type { Alert, AlertResponse } from '@slipway/monitoring/contract';
import { NotRetrainableError } from '../errors.ts';
import { ATTEMPTS_SHOWN, type RetrainPolicy, type RetrainTrigger } from './contract.ts';
import { type RetrainDeps, findOrigin } from './origin.ts';
import { type AttemptRow, findPolicy, listAttempts } from './retrain-store.ts';

/** A trigger that is not followed is asked about again within seconds, or a minute where a look is dear: until then it still holds. */
const SKIP_HOLDS_MS = 60_000;

/** What an operator of one alert is told about training again; see `AlertDeps.respond`. */
export type Respond = (alert: Pick<Alert, 'firstSeen' | 'resolvedAt'>) => AlertResponse | null;

/** What can be said of every alert of a release: read once, so that it can be told inside another transaction. */
export async function readResponses(deps: RetrainDeps, project: string, release: string): Promise<Respond> {
  const { db } = deps.records;
  const policy = (await findPolicy(db, project, release))?.policy ?? null;
  const attempts = await listAttempts(db, project, release, ATTEMPTS_SHOWN);
  if (!policy && attempts.length === 0 && !(await isRetrainable(deps, project, release))) return () => null;
  return (alert) => responseTo(release, policy, attempts, alert);
}

async function isRetrainable(deps: RetrainDeps, project: string, release: string): Promise<boolean> {
  try {
    await findOrigin(deps, project, release);
    return true;
  } catch (error) {
    if (error instanceof NotRetrainableError) return false;
    throw error;
  }
}

/**
 * The retraining that ran while an alert was open or ended it, by their times; else what waits for what, or how to start one.
 * @param attempts the newest first. Pure.
 */
export function responseTo(
  release: string,
  policy: Pick<RetrainPolicy, 'on'> | null,
  attempts: readonly Pick<AttemptRow, 'status' | 'trigger' | 'reason' | 'run' | 'revision' | 'atMs' | 'lastAtMs' | 'endedAtMs'>[],
  { firstSeen, resolvedAt }: Pick<Alert, 'firstSeen' | 'resolvedAt'>,
): AlertResponse | null {
  const fromMs = parseTime(firstSeen) ?? 0;
  const toMs = resolvedAt === null ? Number.POSITIVE_INFINITY : (parseTime(resolvedAt) ?? Number.POSITIVE_INFINITY);
  const isOn = policy !== null && policy.on.length > 0;
  const during = attempts.filter(
    ({ status, atMs, lastAtMs, endedAtMs }) =>
      // What a trigger waited for says nothing once there are no triggers any more.
      (status !== 'skipped' || isOn || resolvedAt !== null) &&
      atMs <= toMs &&
      (status === 'skipped' ? lastAtMs + SKIP_HOLDS_MS : (endedAtMs ?? Number.POSITIVE_INFINITY)) >= fromMs,
  );
  const found = during.find(({ status }) => status !== 'skipped') ?? during[0];
  if (found) return { run: found.run, status: found.status, message: tell(release, found) };
  if (resolvedAt !== null) return null;
  const again = `slipway retrain ${release}`;
  const message = isOn
    ? `trains again by itself on ${policy.on.map(nameOf).join(', ')}; at once: ${again}`
    : `train again: ${again}; by itself from now on: ${again} --policy FILE`;
  return { run: null, status: null, message };
}

function tell(release: string, { status, trigger, reason, run, revision }: Parameters<typeof responseTo>[2][number]): string {
  const because = reason === null ? '' : `: ${reason}`;
  const started = trigger.kind === 'hand' ? `by hand (${trigger.reason})` : `by itself (${trigger.reason})`;
  switch (status) {
    case 'running':
      return `being trained again, ${started}; follow it: slipway runs ${run}`;
    case 'skipped':
      return `not trained again yet${because}; at once: slipway retrain ${release}`;
    case 'promoted':
      return `trained again, ${started}: revision ${revision} took over; see slipway runs ${run}`;
    case 'refused':
      return `trained again, ${started}, and the new version was refused${because}`;
    case 'rolled-back':
      return `trained again, ${started}, and revision ${revision} was rolled back${because}`;
    case 'failed':
    case 'cancelled':
      return `a retraining ${status === 'failed' ? 'failed' : 'was cancelled'}${because}; again: slipway retrain ${release}`;
  }
}

function nameOf(trigger: RetrainTrigger): string {
  if (trigger.kind === 'new-data') return `${trigger.rows} new labelled calls`;
  return trigger.kind === 'schedule' ? `schedule ${trigger.cron}` : trigger.kind;
}
