import { JsonShape, type Json, type Principal } from '@slipway/kernel';
import type { Db, Tx } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import { jsonText } from './run-store.ts';
import './tables.ts';

/** A standing order to start runs. Times are UTC. */
export interface Schedule {
  readonly project: string;
  readonly name: string;
  readonly workflow: string;
  readonly cron: string;
  readonly input: Json;
  readonly principal: Principal;
  readonly nextAtMs: number;
  readonly lastAtMs: number | null;
  readonly lastRun: string | null;
}

const ScheduleRow = z
  .object({
    project: z.string(),
    name: z.string(),
    workflow: z.string(),
    cron: z.string(),
    input: JsonShape,
    principal: z.custom<Principal>((value) => typeof value === 'object' && value !== null),
    next_at: z.date(),
    last_at: z.date().nullable(),
    last_run: z.string().nullable(),
  })
  .transform(({ next_at, last_at, last_run, ...rest }): Schedule => ({
    ...rest,
    nextAtMs: next_at.getTime(),
    lastAtMs: last_at?.getTime() ?? null,
    lastRun: last_run,
  }));

const COLUMNS = sql.raw('project, name, workflow, cron, input, principal, next_at, last_at, last_run');

/** The database's clock, which all workers share. */
export async function databaseNowMs(db: Db | Tx): Promise<number> {
  const { rows } = await sql`select now() as now`.execute(db);
  return z.object({ now: z.date() }).parse(rows[0]).now.getTime();
}

export async function saveSchedule(tx: Tx, schedule: Omit<Schedule, 'lastAtMs' | 'lastRun'>): Promise<void> {
  await sql`
    insert into workflows_schedule (project, name, workflow, cron, input, principal, next_at)
    values (${schedule.project}, ${schedule.name}, ${schedule.workflow}, ${schedule.cron}, ${jsonText(schedule.input)}::json,
      ${jsonText(schedule.principal)}::json, ${new Date(schedule.nextAtMs)})
    on conflict (project, name) do update set workflow = excluded.workflow, cron = excluded.cron, input = excluded.input,
      principal = excluded.principal, next_at = excluded.next_at`.execute(tx);
}

export async function countSchedules(db: Db | Tx, project: string): Promise<number> {
  const { rows } = await sql`select count(*)::int4 as count from workflows_schedule where project = ${project}`.execute(db);
  return z.object({ count: z.number() }).parse(rows[0]).count;
}

export async function listSchedules(db: Db, project: string, limit: number): Promise<Schedule[]> {
  const { rows } = await sql`select ${COLUMNS} from workflows_schedule where project = ${project} order by name limit ${limit}`.execute(db);
  return z.array(ScheduleRow).parse(rows);
}

/** @returns whether there was one. */
export async function deleteSchedule(tx: Tx, project: string, name: string): Promise<boolean> {
  const { rows } = await sql`delete from workflows_schedule where project = ${project} and name = ${name} returning 1`.execute(tx);
  return rows.length > 0;
}

/** Locks one schedule that is due and that no other worker is firing; undefined when there is none. */
export async function claimDueSchedule(tx: Tx, workflows: readonly string[]): Promise<Schedule | undefined> {
  const { rows } = await sql`
    select ${COLUMNS} from workflows_schedule where next_at <= now() and workflow = any(${[...workflows]}::text[])
    order by next_at, project, name limit 1 for update skip locked`.execute(tx);
  return rows[0] === undefined ? undefined : ScheduleRow.parse(rows[0]);
}

export async function advanceSchedule(
  tx: Tx,
  fired: { project: string; name: string; nextAtMs: number; lastAtMs: number; run: string | null; error: unknown },
): Promise<void> {
  await sql`
    update workflows_schedule set next_at = ${new Date(fired.nextAtMs)}, last_at = ${new Date(fired.lastAtMs)}, last_run = ${fired.run},
      last_error = ${fired.error === null ? null : jsonText(fired.error)}::json
    where project = ${fired.project} and name = ${fired.name}`.execute(tx);
}
