import { RecordingPolicy, ServingSettings, toRfc3339 } from '@slipway/kernel';
import type { Db, Tx } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import { Arm, Mirror, type Release, type Revision } from './contract.ts';

declare module '@slipway/records' {
  interface Tables {
    releases_release: {
      project: string;
      id: string;
      name: string;
      environment: string;
      traffic: string;
      mirrors: string;
      created_at_ms: number;
      updated_at_ms: number;
    };
    releases_revision: {
      project: string;
      id: string;
      release_id: string;
      number: number;
      version: string;
      kind: string;
      parts: string;
      recording: string;
      serving: string;
      run: string | null;
      principal: string;
      created_at_ms: number;
    };
  }
}

const ReleaseRow = z.object({
  id: z.string(),
  name: z.string(),
  environment: z.string(),
  traffic: z.array(Arm),
  mirrors: z.array(Mirror),
  created_at_ms: z.coerce.number(),
  updated_at_ms: z.coerce.number(),
});

const RevisionRow = z.object({
  id: z.string(),
  release_name: z.string(),
  number: z.int(),
  version: z.string(),
  kind: z.string(),
  parts: z.record(z.string(), z.string()),
  recording: RecordingPolicy,
  serving: ServingSettings,
  run: z.string().nullable(),
  principal: z.string(),
  created_at_ms: z.coerce.number(),
});

function toRelease(row: z.infer<typeof ReleaseRow>): Release {
  const { id, name, environment, traffic, mirrors, created_at_ms, updated_at_ms } = row;
  return { id, name, environment, traffic, mirrors, createdAt: toRfc3339(created_at_ms), updatedAt: toRfc3339(updated_at_ms) };
}

function toRevision(row: z.infer<typeof RevisionRow>): Revision {
  const { release_name, created_at_ms, serving, ...rest } = row;
  const own = Object.keys(serving).length > 0 ? { serving } : {};
  return { ...rest, ...own, release: release_name, createdAt: toRfc3339(created_at_ms) };
}

const RELEASE_COLUMNS = sql.raw('id, name, environment, traffic, mirrors, created_at_ms, updated_at_ms');

/** A release by name, or undefined. `lock` holds its row until the transaction ends, so revisions number gaplessly. */
export async function findReleaseRow(db: Db | Tx, project: string, name: string, lock = false): Promise<Release | undefined> {
  const { rows } = await sql`select ${RELEASE_COLUMNS} from releases_release
    where project = ${project} and name = ${name} ${lock ? sql`for update` : sql``}`.execute(db);
  return rows.length === 0 ? undefined : toRelease(ReleaseRow.parse(rows[0]));
}

export async function listReleaseRows(db: Db | Tx, project: string, after: string | undefined, limit: number): Promise<Release[]> {
  const { rows } = await sql`select ${RELEASE_COLUMNS} from releases_release
    where project = ${project} and name > ${after ?? ''} order by name limit ${limit}`.execute(db);
  return z.array(ReleaseRow).parse(rows).map(toRelease);
}

export async function insertRelease(
  tx: Tx,
  row: { project: string; id: string; name: string; environment: string; nowMs: number },
): Promise<void> {
  await sql`insert into releases_release (project, id, name, environment, traffic, created_at_ms, updated_at_ms)
    values (${row.project}, ${row.id}, ${row.name}, ${row.environment}, '[]', ${row.nowMs}, ${row.nowMs})
    on conflict (project, name) do nothing`.execute(tx);
}

/** Who answers, and who answers unseen beside. */
export async function saveTraffic(
  tx: Tx,
  release: { readonly project: string; readonly id: string },
  traffic: { readonly arms: readonly Arm[]; readonly mirrors?: readonly Mirror[] },
  nowMs: number,
): Promise<void> {
  await sql`update releases_release set traffic = ${JSON.stringify(traffic.arms)}::jsonb,
      mirrors = ${JSON.stringify(traffic.mirrors ?? [])}::jsonb, updated_at_ms = ${nowMs}
    where project = ${release.project} and id = ${release.id}`.execute(tx);
}

/** Revisions of a release, newest first. */
export async function listRevisionRows(db: Db | Tx, project: string, name: string, limit: number): Promise<Revision[]> {
  const { rows } =
    await sql`select v.id, r.name as release_name, v.number, v.version, v.kind, v.parts, v.recording, v.serving, v.run, v.principal, v.created_at_ms
    from releases_revision v join releases_release r on r.id = v.release_id
    where r.project = ${project} and v.project = ${project} and r.name = ${name}
    order by v.number desc limit ${limit}`.execute(db);
  return z.array(RevisionRow).parse(rows).map(toRevision);
}

export async function findRevisionRow(db: Db | Tx, project: string, name: string, number: number): Promise<Revision | undefined> {
  const { rows } =
    await sql`select v.id, r.name as release_name, v.number, v.version, v.kind, v.parts, v.recording, v.serving, v.run, v.principal, v.created_at_ms
    from releases_revision v join releases_release r on r.id = v.release_id
    where r.project = ${project} and v.project = ${project} and r.name = ${name} and v.number = ${number}`.execute(db);
  return rows.length === 0 ? undefined : toRevision(RevisionRow.parse(rows[0]));
}

export async function insertRevision(
  tx: Tx,
  row: {
    project: string;
    id: string;
    releaseId: string;
    number: number;
    version: string;
    kind: string;
    parts: Readonly<Record<string, string>>;
    recording: RecordingPolicy;
    serving: ServingSettings;
    run: string | null;
    principal: string;
    nowMs: number;
  },
): Promise<void> {
  await sql`insert into releases_revision
    (project, id, release_id, number, version, kind, parts, recording, serving, run, principal, created_at_ms)
    values (${row.project}, ${row.id}, ${row.releaseId}, ${row.number}, ${row.version}, ${row.kind},
      ${JSON.stringify(row.parts)}::jsonb, ${row.recording}, ${JSON.stringify(row.serving)}::jsonb, ${row.run}, ${row.principal}, ${row.nowMs})`.execute(
    tx,
  );
}
