import type { Db, Tx } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import { ENGINE_APPLICATION, ENGINE_FUNCTION, ENGINE_VERSION } from './engine.ts';
import { NotLaunchedError, RunNotRetryableError } from './errors.ts';

/*
 * The engine's own tables, touched only here. Starting uses its SQL function. Cancelling, retrying and taking over
 * repeat the statements of its 5.3.0 methods on the caller's transaction, because a change of a run, its audit event
 * and what the engine does about it must be one commit; the version is pinned and the tests run each of them.
 */

const EpochMs = sql`(extract(epoch from now()) * 1000)::bigint`;

/** Puts a run into a queue: it starts when the transaction commits, or `delayMs` after. */
export async function enqueueRun(tx: Tx, run: { id: string; queue: string; delayMs: number }): Promise<void> {
  const delayUntil = run.delayMs > 0 ? sql`${EpochMs} + ${Math.ceil(run.delayMs)}::bigint` : sql`null::bigint`;
  const enqueue = sql`select dbos.enqueue_workflow(
    workflow_name => ${ENGINE_FUNCTION}, queue_name => ${run.queue}, positional_args => array[to_json(${run.id}::text)],
    workflow_id => ${run.id}, app_version => ${ENGINE_VERSION}, application_name => ${ENGINE_APPLICATION},
    delay_until_epoch_ms => ${delayUntil})`;
  try {
    await enqueue.execute(tx);
  } catch (cause) {
    if (!NO_ENGINE.has(String((cause as { code?: unknown }).code))) throw cause;
    throw new NotLaunchedError('Runs cannot be started yet: the workflow engine has never been launched on this store.', { cause });
  }
}

/** SQLSTATEs of a missing schema and a missing function. */
const NO_ENGINE = new Set(['3F000', '42883']);

/** Stops runs: whoever executes one loses it at its next step. */
export async function cancelInEngine(tx: Tx, ids: readonly string[]): Promise<void> {
  await sql`
    update dbos.workflow_status set status = 'CANCELLED', owner_xid = null, queue_name = null, deduplication_id = null,
      started_at_epoch_ms = null, updated_at = ${EpochMs}, completed_at = ${EpochMs}
    where workflow_uuid = any(${[...ids]}::text[]) and status not in ('SUCCESS', 'ERROR')`.execute(tx);
}

/**
 * Continues an ended run after its last finished step. What goes is the stored failure that ended it and the failures
 * stored at later positions (parallel branches); results of finished steps and unread signals stay.
 * @throws {RunNotRetryableError} when the run's steps have been pruned.
 * @param failedStep position of the step whose failure ended the run; null = not known, the last position if it failed.
 */
export async function requeueInEngine(tx: Tx, run: { id: string; queue: string; failedStep: number | null }): Promise<void> {
  await sql`
    delete from dbos.operation_outputs where workflow_uuid = ${run.id} and error is not null
      and function_id >= coalesce(${run.failedStep}::int4, (select max(function_id) from dbos.operation_outputs where workflow_uuid = ${run.id}))`.execute(
    tx,
  );
  await sql`delete from dbos.workflow_output where workflow_uuid = ${run.id}`.execute(tx);
  const { rows } = await sql`
    update dbos.workflow_status set status = 'ENQUEUED', owner_xid = null, queue_name = ${run.queue}, queue_partition_key = null,
      recovery_attempts = 0, deduplication_id = null, started_at_epoch_ms = null, completed_at = null, output = null, error = null,
      workflow_deadline_epoch_ms = null, delay_until_epoch_ms = null, updated_at = ${EpochMs}
    where workflow_uuid = ${run.id} returning workflow_uuid`.execute(tx);
  if (rows.length > 0) return;
  throw new RunNotRetryableError(`Run ${run.id} ended so long ago that its steps are no longer kept.`, {
    details: { run: run.id },
    help: 'Start it again with the same input.',
  });
}

/** Whether the run has stored anything, so that other code could not replay it. */
export async function hasStoredSteps(db: Db, id: string): Promise<boolean> {
  const { rows } = await sql`select 1 from dbos.operation_outputs where workflow_uuid = ${id} limit 1`.execute(db);
  return rows.length > 0;
}

/** Sends a message to a run. */
export async function sendToRun(tx: Tx, message: { run: string; topic: string; value: unknown }): Promise<void> {
  await sql`select dbos.send_message(${message.run}, ${JSON.stringify(message.value)}::json, ${message.topic})`.execute(tx);
}

const Queued = z.array(z.object({ id: z.string(), queue: z.string() }));

/** Gives everything that these workers were executing back to its queue. */
export async function requeueExecutors(tx: Tx, executors: readonly string[]): Promise<{ id: string; queue: string }[]> {
  const { rows } = await sql`
    update dbos.workflow_status set status = 'ENQUEUED', owner_xid = null, started_at_epoch_ms = null, updated_at = ${EpochMs}
    where status = 'PENDING' and executor_id = any(${[...executors]}::text[]) and application_name = ${ENGINE_APPLICATION} and queue_name is not null
    returning workflow_uuid as id, queue_name as queue`.execute(tx);
  return Queued.parse(rows);
}

/** Gives one claimed run back, to be claimed again after a while. */
export async function putBack(tx: Tx, id: string, delayMs: number): Promise<void> {
  await sql`
    update dbos.workflow_status set status = 'DELAYED', owner_xid = null, started_at_epoch_ms = null, updated_at = ${EpochMs},
      recovery_attempts = greatest(recovery_attempts - 1, 0), delay_until_epoch_ms = ${EpochMs} + ${delayMs}::bigint
    where workflow_uuid = ${id} and status = 'PENDING'`.execute(tx);
}

/** Delays that are still to be waited for, the nearest first: whoever launches has been told of none of them. */
export async function openDelays(db: Db, limit: number): Promise<{ queue: string; delayMs: number }[]> {
  const { rows } = await sql`
    select queue_name as queue, greatest(delay_until_epoch_ms - ${EpochMs}, 1)::float8 as "delayMs" from dbos.workflow_status
    where status = 'DELAYED' and application_name = ${ENGINE_APPLICATION} and queue_name is not null
    order by delay_until_epoch_ms limit ${limit}`.execute(db);
  return z.array(z.object({ queue: z.string(), delayMs: z.number() })).parse(rows);
}

/** Workers that hold runs and have no lease, or one that is out by the database's clock. */
export async function deadExecutors(db: Db | Tx, limit: number): Promise<string[]> {
  const { rows } = await sql`
    select distinct status.executor_id as executor from dbos.workflow_status status
    where status.status = 'PENDING' and status.application_name = ${ENGINE_APPLICATION} and status.executor_id is not null
      and not exists (select 1 from workflows_lease lease where lease.executor = status.executor_id and lease.expires_at > now())
    order by 1 limit ${limit}`.execute(db);
  return z
    .array(z.object({ executor: z.string() }))
    .parse(rows)
    .map((row) => row.executor);
}

/** Runs we believe open whose engine side is over or gone: the engine gave them up, or its tables were lost. */
export async function lostRuns(db: Db, limit: number): Promise<{ id: string; engineStatus: string | null }[]> {
  const { rows } = await sql`
    select run.id, status.status as "engineStatus" from workflows_run run
    left join dbos.workflow_status status on status.workflow_uuid = run.id
    where run.status in ('queued', 'running') and (status.status is null or status.status not in ('ENQUEUED', 'DELAYED', 'PENDING'))
    order by run.id limit ${limit}`.execute(db);
  return z.array(z.object({ id: z.string(), engineStatus: z.string().nullable() })).parse(rows);
}
