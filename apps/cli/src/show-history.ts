import { MonitorSettings } from '@slipway/monitoring/contract';
import type { ReleaseHistory } from '@slipway/releases/contract';
import { RetrainAttempt } from '@slipway/project/contract';
import { z } from 'zod';
import { table } from './output.ts';
import { servingText } from './show-release.ts';
import { explainAttempt } from './show-retraining.ts';

type Change = ReleaseHistory['items'][number];

const text = (value: unknown): string =>
  typeof value === 'string' ? value : value === null || value === undefined ? '' : JSON.stringify(value);
const Data = z.record(z.string(), z.unknown());

/** What happened to a release, one sentence a line, newest first. */
export function showHistory({ items }: ReleaseHistory): string {
  return table(
    items.map((each) => [each.at, each.principal, explainChange(each)]),
    ['when', 'by', 'what and why'],
  );
}

/** One change in words; what is not known by its type is shown as it was recorded. */
export function explainChange({ type, data }: Pick<Change, 'type' | 'data'>): string {
  const facts = Data.safeParse(data).data ?? {};
  const name = type.split('.').slice(1).join(' ');
  if (type === 'releases.revision.created') {
    const how = facts['live'] === true ? 'live at once' : 'waits for its rollout';
    const settings = servingText(facts['serving']);
    const run = settings === '' ? '' : `, run with ${settings}`;
    return `revision ${text(facts['revision'])} (${text(facts['version'])}), ${how}${run}: ${text(facts['reason']) || 'launched or applied by hand'}`;
  }
  if (type === 'releases.release.rolled-back')
    return `rolled back from revision ${text(facts['from'])} to ${text(facts['to'])}${facts['reason'] ? `: ${text(facts['reason'])}` : ''}`;
  if (type.startsWith('releases.rollout.')) {
    const step = facts['step'] === undefined ? '' : ` ${Number(facts['step']) + 1} (${text(facts['kind'])})`;
    const verb = type.slice('releases.rollout.'.length).replaceAll('-', ' ');
    return `rollout of revision ${text(facts['candidate'])} ${verb}${step}${facts['reason'] ? `: ${text(facts['reason'])}` : ''}`;
  }
  if (type.startsWith('project.retraining.')) return explainRetraining(type.slice('project.retraining.'.length), facts);
  if (type === 'monitoring.monitor.configured') return `the monitor was set: ${beyondDefaults(facts)}`;
  if (type.startsWith('monitoring.alert.')) return explainAlerts(facts) ?? `${name}: ${JSON.stringify(data)}`;
  return `${name}: ${JSON.stringify(data)}`;
}

/** What somebody decided of a monitor's settings. */
function beyondDefaults(settings: Record<string, unknown>): string {
  const defaults: Readonly<Record<string, unknown>> = MonitorSettings.parse({});
  const said = Object.entries(settings).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(defaults[name]));
  return said.length === 0 ? 'everything by default' : said.map(([name, value]) => `${name} ${text(value)}`).join(', ');
}

const Told = z.array(z.object({ kind: z.string(), about: z.string(), severity: z.string() }));

/** Alerts that one check raised or saw end. */
function explainAlerts(facts: Record<string, unknown>): string | undefined {
  const found = z.object({ raised: Told, resolved: Told }).safeParse(facts).data;
  if (!found) return undefined;
  const list = (verb: string, alerts: z.infer<typeof Told>) =>
    alerts.length === 0 ? [] : [`alert ${verb}: ${alerts.map(({ kind, about }) => `${kind} of ${about}`).join(', ')}`];
  return [...list('raised', found.raised), ...list('over', found.resolved)].join('; ');
}

const Ended = RetrainAttempt.pick({ trigger: true, reason: true });

function explainRetraining(verb: string, facts: Record<string, unknown>): string {
  if (verb === 'configured') return facts['policy'] === null ? 'retraining is off' : 'retraining was set';
  const known = Ended.safeParse({ trigger: facts['trigger'], reason: facts['reason'] ?? null });
  if (!known.success) return `retraining ${verb}: ${JSON.stringify(facts)}`;
  const attemptFacts = RetrainAttempt.shape.facts.safeParse(facts).data ?? RetrainAttempt.shape.facts.parse({});
  const revision = facts['revision'] ? ` (revision ${text(facts['revision'])})` : '';
  return `retraining ${verb.replace('-', ' ')}${revision}: ${explainAttempt({ ...known.data, facts: attemptFacts })}`;
}
