import { toRfc3339 } from '@slipway/kernel';
import type { Db, Tx } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import { AffectedVersion, ErasedDataset, type ErasureReceipt } from './contract.ts';

/** What an erasure found and did; no personal data. */
export const ErasureFacts = z.object({
  invocations: z.int(),
  outcomes: z.int(),
  rows: z.int(),
  datasets: z.array(ErasedDataset),
  sources: z.int(),
  auditPayloads: z.int(),
  affected: z.array(AffectedVersion),
});
export type ErasureFacts = z.infer<typeof ErasureFacts>;

const ErasureRow = z.object({
  id: z.string(),
  subject: z.string().nullable(),
  subject_hash: z.string(),
  run: z.string(),
  requested_at_ms: z.coerce.number(),
  completed_at_ms: z.coerce.number().nullable(),
  receipt: ErasureFacts.nullable(),
});
export type ErasureRow = z.infer<typeof ErasureRow>;

const COLUMNS = sql.raw('id, subject, subject_hash, run, requested_at_ms, completed_at_ms, receipt');

const NOTHING: ErasureFacts = { invocations: 0, outcomes: 0, rows: 0, datasets: [], sources: 0, auditPayloads: 0, affected: [] };

export function toReceipt(row: ErasureRow): ErasureReceipt {
  const facts = row.receipt ?? NOTHING;
  return {
    id: row.id,
    status: row.completed_at_ms === null ? 'running' : 'done',
    subjectHash: row.subject_hash,
    requestedAt: toRfc3339(row.requested_at_ms),
    completedAt: row.completed_at_ms === null ? null : toRfc3339(row.completed_at_ms),
    run: row.run,
    ...facts,
  };
}

export async function insertErasure(
  tx: Tx,
  row: { project: string; id: string; subject: string; subjectHash: string; run: string; principal: string; nowMs: number },
): Promise<void> {
  await sql`insert into governance_erasure (project, id, subject, subject_hash, run, principal, requested_at_ms)
    values (${row.project}, ${row.id}, ${row.subject}, ${row.subjectHash}, ${row.run}, ${row.principal}, ${row.nowMs})`.execute(tx);
}

export async function findErasure(db: Db | Tx, project: string, id: string): Promise<ErasureRow | undefined> {
  const { rows } = await sql`select ${COLUMNS} from governance_erasure where project = ${project} and id = ${id}`.execute(db);
  return rows.length === 0 ? undefined : ErasureRow.parse(rows[0]);
}

/** Newest first: ids sort by the time they were made. */
export async function listErasures(db: Db, project: string, before: string | undefined, limit: number): Promise<ErasureRow[]> {
  const { rows } = await sql`select ${COLUMNS} from governance_erasure
    where project = ${project} and (${before ?? null}::text is null or id < ${before ?? null}) order by id desc limit ${limit}`.execute(db);
  return z.array(ErasureRow).parse(rows);
}

/** Ends an erasure: the receipt stays, the subject goes. */
export async function finishErasure(tx: Tx, project: string, id: string, facts: ErasureFacts, nowMs: number): Promise<void> {
  await sql`update governance_erasure set subject = null, receipt = ${JSON.stringify(facts)}::jsonb, completed_at_ms = ${nowMs}
    where project = ${project} and id = ${id}`.execute(tx);
}
