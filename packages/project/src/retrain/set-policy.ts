import type { Audit } from '@slipway/audit';
import type { Clock, Principal } from '@slipway/kernel';
import type { Tx } from '@slipway/records';
import { parseCron } from '@slipway/workflows';
import { RetrainPolicy } from './contract.ts';
import { asJson, findPolicy, savePolicy } from './retrain-store.ts';

/** A policy as part of the caller's transaction, audited when it changed. */
export async function setPolicy(
  deps: { readonly audit: Audit; readonly clock: Clock },
  tx: Tx,
  { project, release, policy, principal }: { project: string; release: string; policy: RetrainPolicy; principal: Principal },
): Promise<void> {
  for (const trigger of policy.on) if (trigger.kind === 'schedule') parseCron(trigger.cron);
  const before = await findPolicy(tx, project, release);
  if (before && JSON.stringify(before.policy) === JSON.stringify(RetrainPolicy.parse(policy))) return;
  await savePolicy(tx, { project, release, policy, principal, configuredAtMs: deps.clock.nowMs() });
  await deps.audit.append(tx, project, {
    type: 'project.retraining.configured',
    principal: principal.id,
    subject: { kind: 'release', id: release },
    data: { policy: asJson(policy) },
  });
}
