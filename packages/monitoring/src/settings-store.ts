import type { Db, Tx } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import { MonitorSettings } from './contract.ts';

declare module '@slipway/records' {
  interface Tables {
    monitoring_monitor: { project: string; release: string; settings: string; updated_at_ms: number };
    monitoring_check: { project: string; release: string; section: string; checked_at_ms: number };
  }
}

/** The saved settings of a release's monitor; undefined when nobody set any. */
export async function findSettings(db: Db | Tx, project: string, release: string): Promise<MonitorSettings | undefined> {
  const { rows } = await sql`select settings from monitoring_monitor where project = ${project} and release = ${release}`.execute(db);
  const row = z.array(z.object({ settings: z.unknown() })).parse(rows)[0];
  return row && MonitorSettings.parse(row.settings);
}

export async function saveSettings(tx: Tx, project: string, release: string, settings: MonitorSettings, nowMs: number): Promise<void> {
  await sql`insert into monitoring_monitor (project, release, settings, updated_at_ms)
    values (${project}, ${release}, ${JSON.stringify(settings)}::jsonb, ${nowMs})
    on conflict (project, release) do update set settings = excluded.settings, updated_at_ms = excluded.updated_at_ms`.execute(tx);
}

/** Takes the turn to check when it is due; of several processes that ask at once only one gets it. */
export async function takeTurn(
  db: Db,
  check: { readonly project: string; readonly release: string; readonly section: string; readonly nowMs: number; readonly everyMs: number },
): Promise<boolean> {
  const { project, release, section, nowMs, everyMs } = check;
  const { rows } = await sql`insert into monitoring_check (project, release, section, checked_at_ms)
    values (${project}, ${release}, ${section}, ${nowMs})
    on conflict (project, release, section) do update set checked_at_ms = excluded.checked_at_ms
      where monitoring_check.checked_at_ms <= ${nowMs - everyMs}
    returning release`.execute(db);
  return rows.length > 0;
}
