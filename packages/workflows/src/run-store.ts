import {
  ERROR_KINDS,
  InvalidError,
  JsonShape,
  NotFoundError,
  Role,
  type ErrorBody,
  type Json,
  type Page,
  type Principal,
} from '@slipway/kernel';
import type { Db, Tx } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import { RUN_CHANNEL, type Notice } from './notices.ts';
import type { Run, RunStatus } from './run.ts';
import './tables.ts';

const StatusShape = z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']);
const PrincipalShape: z.ZodType<Principal> = z.object({
  id: z.string(),
  project: z.string(),
  role: Role,
  instance: z.boolean(),
  label: z.string(),
});
const ErrorShape: z.ZodType<ErrorBody['error']> = z.object({
  code: z.string(),
  kind: z.enum(Object.keys(ERROR_KINDS) as [keyof typeof ERROR_KINDS]),
  message: z.string(),
  remedy: z.enum(['fix-input', 'retry', 'wait', 'report']),
  details: z.record(z.string(), z.unknown()),
  requestId: z.string().nullable(),
  help: z.string().nullable(),
});

const RunRow = z
  .object({
    id: z.string(),
    project: z.string(),
    workflow: z.string(),
    version: z.number(),
    queue: z.string(),
    status: StatusShape,
    title: z.string(),
    principal: PrincipalShape,
    parent: z.string().nullable(),
    input: JsonShape,
    output: JsonShape.nullable(),
    error: ErrorShape.nullable(),
    provenance: JsonShape,
    attempt: z.number(),
    created_at: z.date(),
    started_at: z.date().nullable(),
    ended_at: z.date().nullable(),
    executor: z.string().nullable(),
  })
  .transform(({ created_at, started_at, ended_at, ...rest }): Run => ({
    ...rest,
    createdAtMs: created_at.getTime(),
    startedAtMs: started_at?.getTime() ?? null,
    endedAtMs: ended_at?.getTime() ?? null,
  }));

const RUN_COLUMNS = sql.raw(
  'id, project, workflow, version, queue, status, title, principal, parent, input, output, error, provenance, attempt, created_at, started_at, ended_at, executor',
);

/** JSON text for a `json` column. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value ?? null);
}

/** An expression that tells the other processes at commit. */
export function notify(notice: Notice) {
  return sql`pg_notify(${RUN_CHANNEL}, ${JSON.stringify(notice)})`;
}

export async function sendNotice(db: Db | Tx, notice: Notice): Promise<void> {
  await sql`select ${notify(notice)}`.execute(db);
}

export interface NewRun {
  readonly id: string;
  readonly project: string;
  readonly workflow: string;
  readonly version: number;
  readonly queue: string;
  readonly title: string;
  readonly principal: Principal;
  readonly parent: string | null;
  readonly input: Json;
  readonly provenance: Json;
  readonly applicationVersion: string;
  readonly atMs: number;
}

/** @returns undefined when the id is in use. */
export async function insertRun(tx: Tx, run: NewRun): Promise<Run | undefined> {
  const { rows } = await sql`
    insert into workflows_run (id, project, workflow, version, queue, status, title, principal, parent, input, provenance, application_version, created_at)
    values (${run.id}, ${run.project}, ${run.workflow}, ${run.version}, ${run.queue}, 'queued', ${run.title}, ${jsonText(run.principal)}::json,
      ${run.parent}, ${jsonText(run.input)}::json, ${jsonText(run.provenance)}::json, ${run.applicationVersion}, ${new Date(run.atMs)})
    on conflict (id) do nothing
    returning ${RUN_COLUMNS}`.execute(tx);
  return rows[0] === undefined ? undefined : RunRow.parse(rows[0]);
}

/** Without a project: for the engine's own use and for telling whether an id is taken. */
export async function findRun(db: Db | Tx, id: string): Promise<Run | undefined> {
  const { rows } = await sql`select ${RUN_COLUMNS} from workflows_run where id = ${id}`.execute(db);
  return rows[0] === undefined ? undefined : RunRow.parse(rows[0]);
}

/** @throws {NotFoundError} also for a run of another project. */
export async function readRun(db: Db | Tx, project: string, id: string): Promise<Run> {
  const { rows } = await sql`select ${RUN_COLUMNS} from workflows_run where id = ${id} and project = ${project}`.execute(db);
  return rows[0] === undefined ? notFound(id) : RunRow.parse(rows[0]);
}

/** As readRun, and nobody else changes the run until the transaction ends. */
export async function lockRun(tx: Tx, project: string, id: string): Promise<Run> {
  const { rows } = await sql`select ${RUN_COLUMNS} from workflows_run where id = ${id} and project = ${project} for update`.execute(tx);
  return rows[0] === undefined ? notFound(id) : RunRow.parse(rows[0]);
}

function notFound(id: string): never {
  throw new NotFoundError(`There is no run ${id.slice(0, 100)} in this project.`, {
    details: { run: id.slice(0, 100) },
    help: 'List them with: slipway runs',
  });
}

export interface ListRuns {
  readonly workflow?: string | undefined;
  readonly status?: RunStatus | undefined;
  readonly parent?: string | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** Newest first. @throws {InvalidError} for a cursor this list did not give. */
export async function listRuns(db: Db, project: string, options: ListRuns): Promise<Page<Run>> {
  const after = options.cursor === undefined ? undefined : parseCursor(options.cursor);
  const { rows } = await sql`
    select ${RUN_COLUMNS} from workflows_run
    where project = ${project}
      and (${options.workflow ?? null}::text is null or workflow = ${options.workflow ?? null})
      and (${options.status ?? null}::text is null or status = ${options.status ?? null})
      and (${options.parent ?? null}::text is null or parent = ${options.parent ?? null})
      and (${after?.id ?? null}::text is null or (created_at, id) < (${after ? new Date(after.atMs) : null}::timestamptz, ${after?.id ?? null}))
    order by created_at desc, id desc limit ${options.limit + 1}`.execute(db);
  const items = z.array(RunRow).parse(rows.slice(0, options.limit));
  const last = items.at(-1);
  const more = rows.length > options.limit && last !== undefined;
  return { items, nextCursor: more ? Buffer.from(`${last.createdAtMs}:${last.id}`).toString('base64url') : null };
}

function parseCursor(cursor: string): { atMs: number; id: string } {
  const match = /^(\d{1,15}):([\w-]{1,100})$/.exec(Buffer.from(cursor, 'base64url').toString('utf8'));
  if (!match)
    throw new InvalidError('The cursor is not one that this list gave.', {
      details: { field: 'cursor' },
      help: 'Begin again without a cursor, or give the nextCursor of the last page.',
    });
  return { atMs: Number(match[1]), id: match[2] as string };
}

/** An execution takes the run: only who took it last may end it. @returns undefined when the run has ended. */
export async function takeRun(db: Db, take: { id: string; execution: string; executor: string; atMs: number }): Promise<Run | undefined> {
  const { rows } = await sql`
    update workflows_run set status = 'running', execution = ${take.execution}, executor = ${take.executor},
      started_at = coalesce(started_at, ${new Date(take.atMs)})
    where id = ${take.id} and status in ('queued', 'running')
    returning ${RUN_COLUMNS}, ${notify({ kind: 'changed', run: take.id })}`.execute(db);
  return rows[0] === undefined ? undefined : RunRow.parse(rows[0]);
}

/** The execution leaves the run to another process. */
export async function releaseRun(tx: Tx, id: string, execution: string): Promise<void> {
  await sql`
    update workflows_run set status = 'queued', execution = null, executor = null
    where id = ${id} and execution = ${execution} and status = 'running'`.execute(tx);
}

/** Moves a run that has not begun any step to another version of its workflow. */
export async function repinRun(db: Db, id: string, version: number): Promise<void> {
  await sql`update workflows_run set version = ${version} where id = ${id}`.execute(db);
}

export interface RunEnd {
  readonly id: string;
  /** The execution that must hold the run; null for reconciliation, which ends runs that nobody executes. */
  readonly execution: string | null;
  readonly status: 'succeeded' | 'failed';
  readonly output: Json | undefined;
  readonly error: ErrorBody['error'] | null;
  readonly failedStep: number | null;
  readonly atMs: number;
}

/** @returns undefined when the run has ended otherwise, or belongs to another execution by now. */
export async function endRun(tx: Tx, end: RunEnd): Promise<Run | undefined> {
  const { rows } = await sql`
    update workflows_run set status = ${end.status}, output = ${end.output === undefined ? null : jsonText(end.output)}::json,
      error = ${end.error === null ? null : jsonText(end.error)}::json, failed_step = ${end.failedStep}, ended_at = ${new Date(end.atMs)}
    where id = ${end.id} and status in ('queued', 'running') and (${end.execution}::text is null or execution = ${end.execution})
    returning ${RUN_COLUMNS}, ${notify({ kind: 'changed', run: end.id })}`.execute(tx);
  return rows[0] === undefined ? undefined : RunRow.parse(rows[0]);
}

/** The runs below these, however deep, that have not ended. */
export async function openDescendants(tx: Tx, project: string, id: string, limit: number): Promise<string[]> {
  const { rows } = await sql`
    with recursive below as (
      select id from workflows_run where id = ${id} and project = ${project}
      union select child.id from workflows_run child join below on child.parent = below.id where child.project = ${project}
    )
    select run.id from workflows_run run join below on below.id = run.id
    where run.id <> ${id} and run.status in ('queued', 'running') order by run.id limit ${limit}`.execute(tx);
  return z
    .array(z.object({ id: z.string() }))
    .parse(rows)
    .map((row) => row.id);
}

/** @returns the ids that were open and now are cancelled. */
export async function markCancelled(tx: Tx, ids: readonly string[], atMs: number): Promise<string[]> {
  const { rows } = await sql`
    update workflows_run set status = 'cancelled', ended_at = ${new Date(atMs)}
    where id = any(${[...ids]}::text[]) and status in ('queued', 'running') returning id`.execute(tx);
  const cancelled = z
    .array(z.object({ id: z.string() }))
    .parse(rows)
    .map((row) => row.id);
  for (const run of cancelled) await sendNotice(tx, { kind: 'cancelled', run });
  return cancelled;
}

/** Puts an ended run back into its queue. The execution token goes, so that a late old execution cannot end it. */
export async function requeueRun(tx: Tx, id: string): Promise<Run> {
  const { rows } = await sql`
    update workflows_run set status = 'queued', attempt = attempt + 1, output = null, error = null, failed_step = null, ended_at = null, execution = null
    where id = ${id} returning ${RUN_COLUMNS}, ${notify({ kind: 'changed', run: id })}`.execute(tx);
  return RunRow.parse(rows[0]);
}

export async function failedStepOf(tx: Tx, id: string): Promise<number | null> {
  const { rows } = await sql`select failed_step from workflows_run where id = ${id}`.execute(tx);
  return z.object({ failed_step: z.number().nullable() }).parse(rows[0]).failed_step;
}

/** Of these runs, the ones that somebody has cancelled. */
export async function cancelledAmong(db: Db, ids: readonly string[]): Promise<string[]> {
  const { rows } = await sql`select id from workflows_run where id = any(${[...ids]}::text[]) and status = 'cancelled'`.execute(db);
  return z
    .array(z.object({ id: z.string() }))
    .parse(rows)
    .map((row) => row.id);
}
