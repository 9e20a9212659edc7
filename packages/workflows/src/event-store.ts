import { JsonShape, type Json } from '@slipway/kernel';
import type { Db } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import { RUN_EVENT_LIMIT } from './limits.ts';
import { jsonText, notify } from './run-store.ts';
import type { RunEvent } from './run.ts';
import './tables.ts';

const EventRow = z
  .object({
    run: z.string(),
    seq: z.number(),
    at: z.date(),
    phase: z.string(),
    message: z.string().nullable(),
    ratio: z.number().nullable(),
    data: JsonShape.nullable(),
  })
  .transform(({ at, ...rest }): RunEvent => ({ ...rest, atMs: at.getTime() }));

export interface NewEvent {
  readonly run: string;
  readonly execution: string;
  readonly atMs: number;
  readonly phase: string;
  readonly message: string | null;
  readonly ratio: number | null;
  readonly data: Json | null;
  /** Where in the workflow it was reported, so that a replay does not report it twice; null inside a step. */
  readonly position: string | null;
}

/**
 * Appends an event to a run that this execution holds. The counter in the run's row orders concurrent events and
 * bounds their number. @returns whether it was kept.
 */
export async function appendEvent(db: Db, event: NewEvent): Promise<boolean> {
  const { rows } = await sql`
    with counted as (
      update workflows_run set event_count = event_count + 1
      where id = ${event.run} and execution = ${event.execution} and status = 'running' and event_count < ${RUN_EVENT_LIMIT}
        and not exists (select 1 from workflows_event where run = ${event.run} and position = ${event.position})
      returning event_count as seq
    )
    insert into workflows_event (run, seq, at, phase, message, ratio, data, position)
    select ${event.run}, seq, ${new Date(event.atMs)}::timestamptz,
      case when seq = ${RUN_EVENT_LIMIT} then 'limit' else ${event.phase} end,
      case when seq = ${RUN_EVENT_LIMIT} then ${`Later progress is not kept: a run has at most ${RUN_EVENT_LIMIT} events.`} else ${event.message} end,
      ${event.ratio}::float8, ${event.data === null ? null : jsonText(event.data)}::json, ${event.position}
    from counted
    returning seq, ${notify({ kind: 'changed', run: event.run })}`.execute(db);
  return rows.length > 0;
}

export async function listEvents(db: Db, run: string, options: { afterSeq: number; limit: number }): Promise<RunEvent[]> {
  const { rows } = await sql`
    select run, seq, at, phase, message, ratio, data from workflows_event
    where run = ${run} and seq > ${Math.min(options.afterSeq, RUN_EVENT_LIMIT)} order by seq limit ${options.limit}`.execute(db);
  return z.array(EventRow).parse(rows);
}
