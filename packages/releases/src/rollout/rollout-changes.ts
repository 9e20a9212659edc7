import type { Audit } from '@slipway/audit';
import type { Clock, Json } from '@slipway/kernel';
import type { Tx } from '@slipway/records';
import { saveTraffic } from '../release-store.ts';
import { allTrafficOn } from '../traffic.ts';
import type { RolloutStatus } from './contract.ts';
import { trafficOf } from './plan-rollout.ts';
import { type RolloutRow, findActiveRollout, saveRollout } from './rollout-store.ts';

export interface ChangeDeps {
  readonly audit: Audit;
  readonly clock: Clock;
}

type Ending = Extract<RolloutStatus, 'promoted' | 'rolled-back' | 'aborted'>;

/** Ends a rollout and gives all traffic to the version that won, in the caller's transaction, which holds the release's row. */
export async function endRollout(
  deps: ChangeDeps,
  tx: Tx,
  rollout: RolloutRow,
  ending: { readonly status: Ending; readonly reason: string; readonly principal: string; readonly data?: Json },
): Promise<void> {
  const nowMs = deps.clock.nowMs();
  const { champion, candidate } = rollout;
  const live = ending.status === 'promoted' ? candidate : champion;
  await saveTraffic(tx, { project: rollout.project, id: rollout.releaseId }, { arms: allTrafficOn(live) }, nowMs);
  await saveRollout(tx, { ...rollout, status: ending.status, reason: ending.reason, endedAtMs: nowMs });
  await audited(deps, tx, rollout, ending.status, ending.principal, { live, reason: ending.reason, evidence: ending.data ?? null });
}

/** Enters a step: its shares of the traffic, and its beginning. */
export async function enterStep(
  deps: ChangeDeps,
  tx: Tx,
  rollout: RolloutRow,
  entry: { readonly step: number; readonly reason: string; readonly principal: string; readonly data?: Json },
): Promise<void> {
  const nowMs = deps.clock.nowMs();
  const { arms, mirrors } = trafficOf(rollout.plan, entry.step, rollout);
  await saveTraffic(tx, { project: rollout.project, id: rollout.releaseId }, { arms, mirrors }, nowMs);
  const step = rollout.plan.steps[entry.step];
  const status = step?.kind === 'approval' ? 'awaiting-approval' : 'running';
  await saveRollout(tx, { ...rollout, step: entry.step, stepEnteredAtMs: nowMs, status, reason: null });
  await audited(deps, tx, rollout, 'step-entered', entry.principal, {
    step: entry.step,
    kind: step?.kind ?? null,
    share: step && 'share' in step ? step.share : null,
    reason: entry.reason,
    evidence: entry.data ?? null,
  });
}

/** A release that is changed by hand is in no rollout any more. Leaves the traffic to the caller, who sets it next. */
export async function endActiveRollout(
  deps: ChangeDeps,
  tx: Tx,
  release: { readonly project: string; readonly name: string },
  ending: { readonly reason: string; readonly principal: string },
): Promise<void> {
  const rollout = await findActiveRollout(tx, release.project, release.name);
  if (!rollout) return;
  await saveRollout(tx, { ...rollout, status: 'aborted', reason: ending.reason, endedAtMs: deps.clock.nowMs() });
  await audited(deps, tx, rollout, 'aborted', ending.principal, { live: null, reason: ending.reason, evidence: null });
}

/** One line of the release's history. The audit log's head is locked last, so this comes after all other writes. */
export async function audited(deps: ChangeDeps, tx: Tx, rollout: RolloutRow, verb: string, principal: string, data: Json): Promise<void> {
  await deps.audit.append(tx, rollout.project, {
    type: `releases.rollout.${verb}`,
    principal,
    subject: { kind: 'release', id: rollout.release },
    data: { rollout: rollout.id, champion: rollout.champion, candidate: rollout.candidate, ...(data as Readonly<Record<string, Json>>) },
  });
}
