import { toRfc3339 } from '@slipway/kernel';
import type { Db, Tx } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import { type Alert, AlertSeverity, AlertStatus } from '../contract.ts';
import type { Finding } from './finding.ts';

const AlertRow = z.object({
  id: z.string(),
  release: z.string(),
  revision: z.coerce.number(),
  kind: z.string(),
  about: z.string(),
  severity: AlertSeverity,
  status: AlertStatus,
  message: z.string(),
  cause: z.string().nullable(),
  command: z.string(),
  window_from_ms: z.coerce.number(),
  window_to_ms: z.coerce.number(),
  count: z.coerce.number(),
  clear_count: z.coerce.number(),
  first_seen_ms: z.coerce.number(),
  last_seen_ms: z.coerce.number(),
  acknowledged_by: z.string().nullable(),
  note: z.string().nullable(),
  resolved_at_ms: z.coerce.number().nullable(),
  resolved_by: z.string().nullable(),
});
export type AlertRow = z.infer<typeof AlertRow>;

const COLUMNS = sql.raw(
  `id, release, revision, kind, about, severity, status, message, cause, command, window_from_ms, window_to_ms, count, clear_count,
    first_seen_ms, last_seen_ms, acknowledged_by, note, resolved_at_ms, resolved_by`,
);

export function toAlert(row: AlertRow): Alert {
  const { id, release, revision, kind, about, severity, status, message, cause, command, count, note } = row;
  return {
    id,
    release,
    revision,
    kind,
    about,
    severity,
    status,
    message,
    cause,
    command,
    window: { from: toRfc3339(row.window_from_ms), to: toRfc3339(row.window_to_ms) },
    count,
    firstSeen: toRfc3339(row.first_seen_ms),
    lastSeen: toRfc3339(row.last_seen_ms),
    acknowledgedBy: row.acknowledged_by,
    note,
    resolvedAt: row.resolved_at_ms === null ? null : toRfc3339(row.resolved_at_ms),
    resolvedBy: row.resolved_by,
    response: null,
  };
}

/** The alerts of a release that are not resolved, locked until the transaction ends. */
export async function lockCurrentAlerts(tx: Tx, project: string, release: string, limit: number): Promise<AlertRow[]> {
  const { rows } = await sql`select ${COLUMNS} from monitoring_alert
    where project = ${project} and release = ${release} and status <> 'resolved' order by id limit ${limit} for update`.execute(tx);
  return z.array(AlertRow).parse(rows);
}

export async function insertAlert(tx: Tx, project: string, id: string, finding: Finding, nowMs: number): Promise<void> {
  const { release, revision, kind, about, severity, message, cause, command, window } = finding;
  await sql`insert into monitoring_alert (project, id, release, revision, kind, about, severity, status, message, cause, command,
      window_from_ms, window_to_ms, count, clear_count, first_seen_ms, last_seen_ms)
    values (${project}, ${id}, ${release}, ${revision}, ${kind}, ${about}, ${severity}, 'open', ${message}, ${cause}, ${command},
      ${window.fromMs}, ${window.toMs}, 1, 0, ${nowMs}, ${nowMs})`.execute(tx);
}

/** The finding was made again; a more severe one opens an acknowledged alert anew. */
export async function repeatAlert(tx: Tx, project: string, id: string, finding: Finding, worse: boolean, nowMs: number): Promise<void> {
  const { revision, severity, message, cause, command, window } = finding;
  await sql`update monitoring_alert set revision = ${revision}, severity = ${severity}, message = ${message}, cause = ${cause},
      command = ${command}, window_from_ms = ${window.fromMs}, window_to_ms = ${window.toMs}, count = count + 1, clear_count = 0,
      last_seen_ms = ${nowMs} ${worse ? sql`, status = 'open'` : sql``}
    where project = ${project} and id = ${id}`.execute(tx);
}

export async function countClear(tx: Tx, project: string, id: string): Promise<void> {
  await sql`update monitoring_alert set clear_count = clear_count + 1 where project = ${project} and id = ${id}`.execute(tx);
}

export async function resolveAlertRow(
  tx: Tx,
  project: string,
  id: string,
  by: { readonly principal: string; readonly note: string | null; readonly nowMs: number },
): Promise<void> {
  await sql`update monitoring_alert set status = 'resolved', resolved_at_ms = ${by.nowMs}, resolved_by = ${by.principal},
      note = coalesce(${by.note}, note)
    where project = ${project} and id = ${id}`.execute(tx);
}

export async function acknowledgeAlertRow(tx: Tx, project: string, id: string, principal: string, note: string | null): Promise<void> {
  await sql`update monitoring_alert set status = 'acknowledged', acknowledged_by = ${principal}, note = coalesce(${note}, note)
    where project = ${project} and id = ${id}`.execute(tx);
}

export async function findAlert(db: Db | Tx, project: string, id: string, lock = false): Promise<AlertRow | undefined> {
  const { rows } = await sql`select ${COLUMNS} from monitoring_alert where project = ${project} and id = ${id}
    ${lock ? sql`for update` : sql``}`.execute(db);
  return rows.length === 0 ? undefined : AlertRow.parse(rows[0]);
}

/** Newest first: ids sort by the time they were made. */
export async function listAlertRows(
  db: Db,
  project: string,
  filter: { readonly status?: string | undefined; readonly release?: string | undefined },
  page: { readonly before: string | undefined; readonly limit: number },
): Promise<AlertRow[]> {
  const { rows } = await sql`select ${COLUMNS} from monitoring_alert where project = ${project}
      ${filter.status === undefined ? sql`` : sql`and status = ${filter.status}`}
      ${filter.release === undefined ? sql`` : sql`and release = ${filter.release}`}
      ${page.before === undefined ? sql`` : sql`and id < ${page.before}`}
    order by id desc limit ${page.limit}`.execute(db);
  return z.array(AlertRow).parse(rows);
}

/** How many alerts of a project are not resolved, by release and severity. */
export async function countCurrentAlerts(db: Db): Promise<{ project: string; release: string; severity: AlertSeverity; count: number }[]> {
  const { rows } = await sql`select project, release, severity, count(*) as count from monitoring_alert
    where status <> 'resolved' group by 1, 2, 3 order by 1, 2, 3 limit 1000`.execute(db);
  return z.array(z.object({ project: z.string(), release: z.string(), severity: AlertSeverity, count: z.coerce.number() })).parse(rows);
}
