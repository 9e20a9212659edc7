import type { Records } from '@slipway/records';
import type { Alerts } from './alerts/alert-service.ts';
import { findingsOf } from './alerts/finding.ts';
import type { MonitorReport, MonitorSection, MonitorSettings } from './contract.ts';
import { MonitorSettings as Settings } from './contract.ts';
import { RELEASES_PER_ROUND_LIMIT } from './limits.ts';
import { type MonitorPorts, monitor } from './monitor.ts';
import { findSettings, takeTurn } from './settings-store.ts';

/** A turn is taken a little early rather than a whole round late. */
const TURN_SLACK_MS = 5_000;
/** What reads rows and outcomes is looked at this many times less often. */
const RELATION_TURNS = 4;

/** What each part of a report raises alerts of, so that a check that did not look resolves nothing. */
const KINDS: Readonly<Record<MonitorSection, readonly string[]>> = {
  drift: ['drift', 'dataset-drift'],
  contract: ['contract'],
  objectives: ['objective'],
  quality: ['quality', 'concept'],
  fairness: ['fairness'],
  estimate: [],
  multivariate: ['multivariate'],
};
const SKETCHED: readonly MonitorSection[] = ['drift', 'contract', 'objectives'];

export interface CheckDeps {
  readonly records: Records;
  readonly ports: MonitorPorts;
  readonly alerts: Alerts;
  /** Every release of every project. */
  readonly listReleases: (limit: number) => AsyncIterable<{ readonly project: string; readonly release: string }>;
  readonly onChecked?: (project: string, report: MonitorReport) => void;
  readonly onProblem?: (error: Error) => void;
}

/** Looks at every release whose turn it is, and settles its alerts. @returns how many were looked at. */
export async function checkReleases(deps: CheckDeps, signal?: AbortSignal): Promise<number> {
  let count = 0;
  for await (const { project, release } of deps.listReleases(RELEASES_PER_ROUND_LIMIT)) {
    if (signal?.aborted) break;
    try {
      if (await checkDue(deps, project, release)) count += 1;
    } catch (error) {
      // A release that is gone or unreadable must not keep the others from being looked at.
      deps.onProblem?.(error instanceof Error ? error : new Error(String(error)));
    }
  }
  return count;
}

async function checkDue(deps: CheckDeps, project: string, release: string): Promise<boolean> {
  const settings = (await findSettings(deps.records.db, project, release)) ?? Settings.parse({});
  if (!settings.enabled) return false;
  const everyMs = settings.everyMinutes * 60_000 - TURN_SLACK_MS;
  const turn = (section: string, lengthMs: number) =>
    takeTurn(deps.records.db, { project, release, section, nowMs: deps.ports.clock.nowMs(), everyMs: lengthMs });
  const sections: MonitorSection[] = [];
  if (await turn('sketches', everyMs)) sections.push(...SKETCHED);
  if (sections.length === 0) return false;
  if (await turn('relation', RELATION_TURNS * everyMs)) {
    sections.push('quality', 'estimate', 'fairness');
    if (settings.multivariate) sections.push('multivariate');
  }
  await checkRelease(deps, project, release, settings, sections);
  return true;
}

/** Looks at one release now and settles its alerts. @returns what was seen and what is new. */
export async function checkRelease(
  deps: Pick<CheckDeps, 'ports' | 'alerts' | 'onChecked'>,
  project: string,
  release: string,
  settings: MonitorSettings,
  sections: readonly MonitorSection[],
): Promise<{ report: MonitorReport; raised: number; resolved: number }> {
  const sketched = sections.filter((each) => SKETCHED.includes(each));
  const first = await monitor(deps.ports, project, release, { sections: sketched }, settings);
  // Without calls nothing was answered, so that the rest need not be read.
  const report =
    first.invocations === 0 || sketched.length === sections.length
      ? first
      : await monitor(deps.ports, project, release, { sections }, settings);
  deps.onChecked?.(project, report);
  const looked = report === first ? sketched : sections;
  const { raised, resolved } = await deps.alerts.settle(
    project,
    release,
    findingsOf(report, settings),
    new Set(looked.flatMap((each) => KINDS[each])),
  );
  return { report, raised: raised.length, resolved: resolved.length };
}
