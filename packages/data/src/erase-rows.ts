import type { Objects } from '@slipway/objects';
import type { DatasetMeta } from './contract.ts';
import { type Engine, quoteName, quoteText } from './engine.ts';
import { UnknownColumnError } from './errors.ts';
import { storeFile } from './ingest.ts';
import { storeJson } from './json-objects.ts';
import { profileTable } from './profile-table.ts';
import { hashRows } from './rows-hash.ts';

export interface ErasedRows {
  readonly removed: number;
  /** The dataset without the rows: new Parquet, rows hash and profile; the same object when nothing was removed. */
  readonly meta: DatasetMeta;
  /** SHA-256 of objects that still hold the subject's rows: the old table, its profile and the source as uploaded. */
  readonly obsolete: readonly string[];
}

/**
 * Writes a dataset again without the rows of one subject. Nothing is deleted here: the caller registers the new version,
 * retires the old one and deletes `obsolete`.
 * @param request.subjectColumn default: the one that the dataset declares. @throws {UnknownColumnError}
 */
export async function eraseSubjectRows(
  deps: { readonly engine: Engine; readonly objects: Objects },
  request: {
    readonly project: string;
    readonly meta: DatasetMeta;
    readonly subject: string;
    readonly subjectColumn?: string | undefined;
    readonly signal?: AbortSignal;
  },
): Promise<ErasedRows> {
  const { project, meta } = request;
  const column = request.subjectColumn ?? meta.subjectColumn;
  if (column === null || !meta.columns.some((candidate) => candidate.name === column)) {
    throw new UnknownColumnError('The dataset does not say which column holds the subject.', {
      details: { column },
      help: 'Name the subject column when ingesting, or here.',
    });
  }
  const file = await deps.objects.localPath(project, meta.parquet.sha256);
  return deps.engine.use(async (session) => {
    const from = `read_parquet(${quoteText(await session.link(file, '.parquet'))})`;
    const isSubject = `coalesce(${quoteName(column)}::varchar = ${quoteText(request.subject)}, false)`;
    const [counted] = await session.rows(`select (count(*) filter (${isSubject}))::double as n from ${from}`);
    const removed = Number(counted?.['n'] ?? 0);
    if (removed === 0) return { removed, meta, obsolete: [] };
    const path = session.path('.parquet');
    await session.run(`copy (select * from ${from} where not ${isSubject}) to ${quoteText(path)} (format parquet, compression zstd)`);
    const columns = meta.columns.map(({ name, type }) => ({ name, type, markers: {} }));
    const rows = meta.rows - removed;
    const profile = await profileTable(session, { path, rows, columns });
    const rowsHash = await hashRows(session, path, columns);
    const parquet = await storeFile(deps.objects, project, path);
    const stored = await storeJson(deps.objects, project, profile);
    const obsolete = [meta.parquet.sha256, meta.profile, ...(meta.reading ? [meta.reading.sha256] : [])];
    return { removed, meta: { ...meta, parquet, rowsHash, rows, profile: stored.sha256 }, obsolete };
  }, request.signal);
}
