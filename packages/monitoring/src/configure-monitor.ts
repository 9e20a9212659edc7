import type { Audit } from '@slipway/audit';
import { type Clock, type Json, canonicalJson } from '@slipway/kernel';
import type { Tx } from '@slipway/records';
import type { MonitorSettings } from './contract.ts';
import { findSettings, saveSettings } from './settings-store.ts';

/** Whose monitor is set, to what, and by whom. */
export interface MonitorChange {
  readonly project: string;
  readonly release: string;
  readonly settings: MonitorSettings;
  /** Id of the principal. */
  readonly principal: string;
}

/**
 * Saves and audits what a monitor asks, in the transaction of the caller; what is so already is neither saved nor told.
 * @returns whether it changed anything.
 */
export async function configureMonitor(
  deps: { readonly audit: Pick<Audit, 'append'>; readonly clock: Clock },
  tx: Tx,
  { project, release, settings, principal }: MonitorChange,
): Promise<boolean> {
  const data = JSON.parse(JSON.stringify(settings)) as Json;
  const before = await findSettings(tx, project, release);
  if (before && canonicalJson(JSON.parse(JSON.stringify(before))) === canonicalJson(data)) return false;
  await saveSettings(tx, project, release, settings, deps.clock.nowMs());
  await deps.audit.append(tx, project, {
    type: 'monitoring.monitor.configured',
    principal,
    subject: { kind: 'release', id: release },
    data,
  });
  return true;
}
