import type { Db, Records, Tx } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import './tables.ts';

/** Runs whose progress, and whose steps, go in one pass; the next pass takes more. */
export const PRUNE_RUNS_LIMIT = 500;

export interface PruneRequest {
  /** Progress of runs that ended before this goes. */
  readonly eventsBeforeMs: number;
  /** Stored steps of runs that ended before this go: such a run can no longer be retried. */
  readonly stepsBeforeMs: number;
  /** Default {@link PRUNE_RUNS_LIMIT}. */
  readonly limit?: number;
}

/** What went in one project. */
export interface PrunedRuns {
  readonly project: string;
  /** Progress events. */
  readonly events: number;
  /** Runs whose steps are gone. */
  readonly runs: number;
}

export interface RunSizes {
  readonly runs: number;
  readonly open: number;
  readonly events: number;
  /** Runs whose steps are still stored. */
  readonly withSteps: number;
}

const Counted = z.array(z.object({ project: z.string(), count: z.coerce.number() }));
const Ended = sql`run.status in ('succeeded', 'failed', 'cancelled')`;

/**
 * Deletes progress and stored steps of runs that ended long ago; the runs themselves stay, with input, output and error.
 * A run whose parent is open keeps everything.
 */
export async function pruneRuns(
  records: Records,
  { eventsBeforeMs, stepsBeforeMs, limit = PRUNE_RUNS_LIMIT }: PruneRequest,
): Promise<PrunedRuns[]> {
  const events = await records.transaction((tx) => pruneEvents(tx, eventsBeforeMs, limit));
  const runs = await records.transaction((tx) => pruneSteps(tx, stepsBeforeMs, limit));
  const projects = new Set([...events, ...runs].map((each) => each.project));
  const countOf = (list: z.infer<typeof Counted>, project: string) => list.find((each) => each.project === project)?.count ?? 0;
  return [...projects].toSorted().map((project) => ({ project, events: countOf(events, project), runs: countOf(runs, project) }));
}

const noOpenParent = sql`not exists (
  select 1 from workflows_run parent where parent.id = run.parent and parent.status in ('queued', 'running'))`;

async function pruneEvents(tx: Tx, beforeMs: number, limit: number): Promise<z.infer<typeof Counted>> {
  const { rows } = await sql`
    with old as (
      select run.id, run.project from workflows_run run
      where ${Ended} and run.ended_at < ${new Date(beforeMs)}::timestamptz and ${noOpenParent}
        and exists (select 1 from workflows_event event where event.run = run.id)
      order by run.ended_at, run.id limit ${limit}
    ), gone as (
      delete from workflows_event event using old where event.run = old.id returning old.project
    )
    select project, count(*) as count from gone group by project order by project`.execute(tx);
  return Counted.parse(rows);
}

async function pruneSteps(tx: Tx, beforeMs: number, limit: number): Promise<z.infer<typeof Counted>> {
  if (!(await hasEngine(tx))) return [];
  const { rows } = await sql`
    select run.id, run.project from workflows_run run join dbos.workflow_status status on status.workflow_uuid = run.id
    where ${Ended} and run.ended_at < ${new Date(beforeMs)}::timestamptz and ${noOpenParent}
      and status.status not in ('PENDING', 'ENQUEUED', 'DELAYED')
    order by run.ended_at, run.id limit ${limit} for update of run`.execute(tx);
  const found = z.array(z.object({ id: z.string(), project: z.string() })).parse(rows);
  if (found.length === 0) return [];
  const ids = found.map((run) => run.id);
  await sql`delete from workflows_done_once where run = any(${ids}::text[])`.execute(tx);
  await deleteFromEngine(tx, ids);
  return [...Map.groupBy(found, (run) => run.project)].map(([project, own]) => ({ project, count: own.length }));
}

/** Deletes everything that the engine keeps of runs: whatever table of its own names one. */
async function deleteFromEngine(tx: Tx, ids: readonly string[]): Promise<void> {
  const { rows } = await sql`
    select table_name as "table", column_name as "column" from information_schema.columns
    where table_schema = 'dbos' and column_name in ('workflow_uuid', 'destination_uuid')
    order by table_name = 'workflow_status', table_name, column_name`.execute(tx);
  const places = z.array(z.object({ table: z.string(), column: z.string() })).parse(rows);
  for (const { table, column } of places)
    await sql`delete from ${sql.id('dbos', table)} where ${sql.id(column)} = any(${[...ids]}::text[])`.execute(tx);
}

/** The engine makes its tables at its first launch. */
async function hasEngine(db: Db | Tx): Promise<boolean> {
  const { rows } = await sql`
    select 1 from information_schema.tables where table_schema = 'dbos' and table_name = 'workflow_status' limit 1`.execute(db);
  return rows.length > 0;
}

/** How much is kept of one project's runs. */
export async function runSizes(db: Db, project: string): Promise<RunSizes> {
  const steps = (await hasEngine(db))
    ? sql`(select count(*) from workflows_run run join dbos.workflow_status status on status.workflow_uuid = run.id where run.project = ${project})`
    : sql`0`;
  const { rows } = await sql`
    select count(*) as runs, count(*) filter (where status in ('queued', 'running')) as open,
      (select count(*) from workflows_event event join workflows_run own on own.id = event.run where own.project = ${project}) as events,
      ${steps} as "withSteps"
    from workflows_run where project = ${project}`.execute(db);
  const counts = z.object({ runs: z.coerce.number(), open: z.coerce.number(), events: z.coerce.number(), withSteps: z.coerce.number() });
  return counts.parse(rows[0]);
}

/** Whether a run that is open, or ended at or after a time, names a text (such as a hash) in its input. */
export async function runsMention(db: Db | Tx, project: string, text: string, endedFromMs: number): Promise<boolean> {
  const { rows } = await sql`
    select 1 from workflows_run run where run.project = ${project} and strpos(run.input::text, ${text}) > 0
      and (run.ended_at is null or run.ended_at >= ${new Date(endedFromMs)}::timestamptz) limit 1`.execute(db);
  return rows.length > 0;
}
