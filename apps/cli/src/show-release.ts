import type { ReleaseDetail, Revision } from '@slipway/releases/contract';
import { short, table } from './output.ts';

/** A release with its revisions, the newest first: which share of the calls each answers, and how it is run and recorded. */
export function showRelease({ traffic, mirrors, revisions }: ReleaseDetail): string {
  const shares = new Map(traffic.map((arm) => [arm.revision, arm.weight === 1 ? '●' : `${short(100 * arm.weight)} %`]));
  for (const { revision } of mirrors) if (!shares.has(revision)) shares.set(revision, 'shadow');
  return table(
    revisions.map((each) => [shares.get(each.number) ?? '', each.number, each.version, each.principal, each.createdAt, settingsText(each)]),
    ['', 'revision', 'version', 'by', 'created', 'settings'],
  );
}

/** What was said about a revision beside its version; nothing where all was left to the defaults. */
function settingsText({ recording, serving }: Pick<Revision, 'recording' | 'serving'>): string {
  const said = servingText(serving);
  return [...(recording === 'full' ? [] : [`recording=${recording}`]), ...(said === '' ? [] : [said])].join(' ');
}

/** Serving settings as `--serving` takes them. */
export function servingText(serving: unknown): string {
  const entries = serving !== null && typeof serving === 'object' ? Object.entries(serving) : [];
  return entries.map(([name, value]) => `${name}=${String(value)}`).join(',');
}
