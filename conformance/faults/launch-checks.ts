import type { Client } from '@slipway/client';

/** What a home must hold once a launch has ended, told by the API. */
export interface LaunchFacts {
  readonly runs: readonly { readonly id: string; readonly status: string }[];
  readonly versions: readonly { readonly kind: string; readonly name: string; readonly number: number }[];
  readonly revisions: readonly { readonly number: number; readonly version: string }[];
  readonly events: readonly { readonly seq: number; readonly type: string; readonly subject: string }[];
  readonly auditOk: boolean;
  readonly answered: boolean;
}

const PAGE = 500;

export async function readLaunchFacts(client: Client, release: string, row: Readonly<Record<string, unknown>>): Promise<LaunchFacts> {
  const runs = (await client.runs.list({ limit: PAGE })).items;
  const versions = (await client.versions.list({ limit: PAGE })).items;
  const { revisions } = await client.releases.get(release);
  const events = (await client.audit.events({ limit: PAGE })).items;
  const { ok } = await client.audit.verify();
  const { predictions } = await client.predict(release, { rows: [{ ...row }] });
  return {
    runs,
    versions,
    revisions,
    events: events.map(({ seq, type, subject }) => ({ seq, type, subject: `${subject.kind} ${subject.id}` })),
    auditOk: ok,
    answered: predictions.length === 1 && predictions[0]?.prediction !== undefined,
  };
}

/** What a launch says once only, however often it was interrupted. */
const SAID_ONCE = ['evaluation.gates.fixed', 'releases.revision.created', 'workflows.run.started', 'workflows.run.succeeded'];

/** What is wrong after one launch of one file: everything must be there, and nothing twice. */
export function launchProblems(facts: LaunchFacts): string[] {
  const problems: string[] = [];
  const expectOne = (what: string, count: number) => {
    if (count !== 1) problems.push(`${count} ${what} instead of 1`);
  };
  expectOne('runs', facts.runs.length);
  for (const { id, status } of facts.runs) if (status !== 'succeeded') problems.push(`the run ${id} is ${status}`);
  for (const kind of ['dataset', 'model', 'report'])
    expectOne(`${kind} versions`, facts.versions.filter((version) => version.kind === kind).length);
  expectOne('revisions', facts.revisions.length);
  for (const type of SAID_ONCE) expectOne(`events ${type}`, facts.events.filter((event) => event.type === type).length);
  const registered = facts.events.filter((event) => event.type === 'catalog.version.registered').map((event) => event.subject);
  if (new Set(registered).size !== registered.length || registered.length !== facts.versions.length)
    problems.push(`${registered.length} registrations of ${facts.versions.length} versions`);
  facts.events.forEach(({ seq }, index) => {
    if (seq !== index + 1) problems.push(`the event at place ${index + 1} has number ${seq}`);
  });
  if (!facts.auditOk) problems.push('the audit log does not verify');
  if (!facts.answered) problems.push('the release does not answer');
  return problems;
}
