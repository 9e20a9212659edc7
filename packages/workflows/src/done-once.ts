import type { Json } from '@slipway/kernel';
import type { Tx } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';

const Stored = z.array(z.object({ result: z.string() }));

/**
 * Does something once in a run, and returns what that gave whenever it is asked again. A step is repeated when the process
 * dies between its end and its record: what must not be done again then (an audit event, a count) goes in here.
 * @param tx the transaction that holds the work and the note of it
 * @param name unique within the run
 */
export async function doneOnce<T extends Json>(tx: Tx, run: string, name: string, work: () => Promise<T>): Promise<T> {
  const { rows } = await sql`
    insert into workflows_done_once (run, name) values (${run}, ${name}) on conflict do nothing returning name`.execute(tx);
  if (rows.length === 0) {
    const { rows: stored } = await sql`select result::text from workflows_done_once where run = ${run} and name = ${name}`.execute(tx);
    return JSON.parse(Stored.parse(stored)[0]?.result ?? 'null') as T;
  }
  const result = await work();
  await sql`update workflows_done_once set result = ${JSON.stringify(result)}::json where run = ${run} and name = ${name}`.execute(tx);
  return result;
}
