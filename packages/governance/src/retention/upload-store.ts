import type { Db, Tx } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';

export interface UploadRow {
  readonly project: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Remembers an upload, or that it was sent again. Waits for a sweep that is deleting it. */
export async function touchUpload(db: Db, upload: UploadRow & { readonly nowMs: number }): Promise<void> {
  const { project, sha256, sizeBytes, nowMs } = upload;
  await sql`insert into governance_upload (project, sha256, size_bytes, uploaded_at_ms) values (${project}, ${sha256}, ${sizeBytes}, ${nowMs})
    on conflict (project, sha256) do update set uploaded_at_ms = excluded.uploaded_at_ms, checked_at_ms = null`.execute(db);
}

const Row = z
  .object({ project: z.string(), sha256: z.string(), size_bytes: z.coerce.number() })
  .transform(({ project, sha256, size_bytes }): UploadRow => ({ project, sha256, sizeBytes: size_bytes }));

/** Uploads last sent before a time, those longest unchecked first. */
export async function listOldUploads(db: Db, beforeMs: number, limit: number): Promise<UploadRow[]> {
  const { rows } = await sql`select project, sha256, size_bytes from governance_upload where uploaded_at_ms < ${beforeMs}
    order by checked_at_ms nulls first, uploaded_at_ms, project, sha256 limit ${limit}`.execute(db);
  return z.array(Row).parse(rows);
}

/** Holds an upload that is still that old; false when it was sent again meanwhile. */
export async function lockOldUpload(tx: Tx, { project, sha256 }: UploadRow, beforeMs: number): Promise<boolean> {
  const { rows } = await sql`select 1 from governance_upload
    where project = ${project} and sha256 = ${sha256} and uploaded_at_ms < ${beforeMs} for update`.execute(tx);
  return rows.length > 0;
}

export async function markChecked(tx: Tx, { project, sha256 }: UploadRow, nowMs: number): Promise<void> {
  await sql`update governance_upload set checked_at_ms = ${nowMs} where project = ${project} and sha256 = ${sha256}`.execute(tx);
}

export async function forgetUpload(tx: Tx, { project, sha256 }: UploadRow): Promise<void> {
  await sql`delete from governance_upload where project = ${project} and sha256 = ${sha256}`.execute(tx);
}

export async function uploadSizes(db: Db, project: string): Promise<{ count: number; sizeBytes: number }> {
  const { rows } = await sql`select count(*) as count, coalesce(sum(size_bytes), 0) as "sizeBytes" from governance_upload
    where project = ${project}`.execute(db);
  return z.object({ count: z.coerce.number(), sizeBytes: z.coerce.number() }).parse(rows[0]);
}
