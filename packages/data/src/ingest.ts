import type { Contract, FieldRole, Frame, ProgressEvent } from '@slipway/kernel';
import type { ObjectRef, Objects } from '@slipway/objects';
import { rename } from 'node:fs/promises';
import type { Encoding, Enforcement, Note, Profile, Reading, SourceFormat } from './contract.ts';
import { type Engine, type Session, quoteName, quoteText, throwIfAborted } from './engine.ts';
import { RoleError } from './errors.ts';
import { enforceContract, requireContract } from './enforce-contract.ts';
import { ALLOWED_VALUES_LIMIT, inferContract, listsValues } from './infer-contract.ts';
import { type RoleWishes, checkNames, inferRoles } from './infer-roles.ts';
import { INGEST_LIMITS, type IngestLimits } from './limits.ts';
import { loadFrameFrom, pickColumns } from './load-frame.ts';
import { missingMarkers } from './observe-column.ts';
import { openSource } from './open-source.ts';
import { profileTable } from './profile-table.ts';
import { readCsv } from './read-csv.ts';
import { readJson } from './read-json.ts';
import { hashRows } from './rows-hash.ts';
import { type CanonicalOptions, type CanonicalTable, canonicalFromParquet, writeCanonical } from './write-canonical.ts';

/** A local file and, where content does not tell enough, how to read it. */
export interface SourceOptions {
  readonly path: string;
  readonly format?: SourceFormat | undefined;
  /** Names for a file without a header; with `header: true` they replace the file's own. */
  readonly columns?: readonly string[] | undefined;
  readonly delimiter?: string | undefined;
  readonly encoding?: Encoding | undefined;
  readonly header?: boolean | undefined;
  /** Texts that mean "missing", in every column, instead of the defaults. Blank always does. */
  readonly missing?: readonly string[] | undefined;
  /** How to read dates such as 03/04/2024 when the column does not tell. */
  readonly dayFirst?: boolean | undefined;
}

export interface IngestRequest extends RoleWishes {
  readonly project: string;
  readonly source: SourceOptions;
  /** A saved contract: columns are read as its types and checked against it; it also decides the roles. */
  readonly contract?: Contract | undefined;
  readonly limits?: Partial<IngestLimits> | undefined;
  /** Asked before anything is stored: what it throws refuses the file, and nothing of it stays. */
  readonly accept?: ((table: ReadTable) => Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
}

/** A file that was read and described, and is not stored yet. */
export interface ReadTable {
  readonly contract: Contract;
  loadFrame(columns: readonly string[]): Promise<Frame>;
}

export interface IngestResult {
  /** The canonical Parquet object. */
  readonly parquet: ObjectRef;
  readonly rowsHash: string;
  readonly rows: number;
  readonly profile: Profile;
  readonly contract: Contract;
  readonly enforcement: Enforcement;
  readonly reading: Reading;
  readonly notes: readonly Note[];
}

export interface IngestDeps {
  readonly engine: Engine;
  readonly objects: Objects;
}

interface ReadResult {
  readonly table: CanonicalTable;
  readonly reading: Reading;
  readonly notes: Note[];
}

/**
 * Turns a file into an immutable table: reads it, types it, profiles it, infers or enforces the contract, and stores one
 * canonical Parquet object. Deterministic: the same bytes and options give the same rows hash, profile and contract.
 * @throws errors of errors.ts, each naming line, column or limit; nothing is stored then.
 */
export async function ingest(deps: IngestDeps, request: IngestRequest): Promise<IngestResult> {
  return deps.engine.use(async (session) => {
    const problems: CanonicalOptions['problems'] = [];
    const read = await readSource(session, request, problems);
    const { table } = read;
    const names = table.columns.map((column) => column.name);
    if (!request.contract) checkNames(names, request);
    request.onProgress?.({ phase: 'profile', message: `${table.rows} rows, ${names.length} columns` });
    const profile = await profileTable(session, table);
    throwIfAborted(request.signal);
    const described = request.contract ? { contract: request.contract, notes: [] } : await describeTable(session, table, profile, request);
    const enforcement = await enforceContract(session, table.path, described.contract, problems);
    requireContract(enforcement);
    await request.accept?.(readTable(session, table, described.contract));
    request.onProgress?.({ phase: 'store' });
    const rowsHash = await hashRows(session, table.path, table.columns);
    throwIfAborted(request.signal);
    const parquet = await storeFile(deps.objects, request.project, table.path);
    const notes = [...read.notes, ...table.notes, ...described.notes];
    return { parquet, rowsHash, rows: table.rows, profile, contract: described.contract, enforcement, reading: read.reading, notes };
  }, request.signal);
}

function readTable(session: Session, table: CanonicalTable, contract: Contract): ReadTable {
  const roles = new Map(contract.fields.map((field) => [field.name, field.role]));
  const stored = table.columns.map(({ name, type }) => ({ name, type, role: roles.get(name) ?? ('ignored' as const) }));
  return { contract, loadFrame: (columns) => loadFrameFrom(session, table.path, table.rows, pickColumns(stored, columns)) };
}

async function readSource(session: Session, request: IngestRequest, problems: CanonicalOptions['problems']): Promise<ReadResult> {
  const limits = { ...INGEST_LIMITS, ...request.limits };
  const { source, signal } = request;
  request.onProgress?.({ phase: 'open' });
  const opened = await openSource(session, { path: source.path, format: source.format, encoding: source.encoding, limits, signal });
  const options = { contract: request.contract, asText: textWishes(request.as), dayFirst: source.dayFirst, problems };
  const base = {
    format: opened.format,
    encoding: opened.encoding,
    compressed: opened.compressed,
    sha256: opened.sha256,
    sizeBytes: opened.sizeBytes,
  };
  const notes: Note[] = opened.notes.map((note) => ({ column: null, note }));
  if (opened.format === 'parquet') {
    const table = await canonicalFromParquet(session, opened.path, limits, options);
    return { table, reading: { ...base, delimiter: null, quote: null, header: null }, notes };
  }
  const onBytes = (bytes: number, total: number) => request.onProgress?.({ phase: 'read', ratio: Math.min(1, bytes / total) });
  const common = { columns: source.columns, markers: missingMarkers(source.missing), limits, signal, onBytes };
  if (opened.format === 'csv') {
    const csv = await readCsv(session, opened, { ...common, delimiter: source.delimiter, header: source.header });
    const table = await writeCanonical(session, csv.table, options);
    const reading = { ...base, delimiter: csv.dialect.delimiter, quote: csv.dialect.quote, header: csv.header };
    return { table, reading, notes: [...notes, ...csv.notes] };
  }
  const json = await readJson(session, opened, common);
  const table = await writeCanonical(session, json.table, options);
  return { table, reading: { ...base, delimiter: null, quote: null, header: null }, notes: [...notes, ...json.notes] };
}

/** Times that are wished to be categories, text or identifiers keep the text of the source. */
function textWishes(as: Readonly<Record<string, FieldRole>> | undefined): ReadonlySet<string> {
  const textRoles: readonly FieldRole[] = ['categorical', 'text', 'identifier'];
  return new Set(Object.entries(as ?? {}).flatMap(([column, role]) => (textRoles.includes(role) ? [column] : [])));
}

async function describeTable(
  session: Session,
  table: CanonicalTable,
  profile: Profile,
  request: IngestRequest,
): Promise<{ contract: Contract; notes: readonly Note[] }> {
  const { roles, notes } = inferRoles(profile, request);
  const target = profile.columns.find((column) => column.name === request.target);
  if (target && target.missing === table.rows) {
    throw new RoleError(`The target "${target.name}" has no values.`, { details: { column: target.name }, help: 'Choose another target.' });
  }
  const values = new Map<string, readonly string[]>();
  for (const column of profile.columns) {
    const role = roles.get(column.name) ?? 'ignored';
    if (listsValues(column, role)) values.set(column.name, await distinctTexts(session, table.path, column.name));
  }
  return { contract: inferContract(profile, roles, values), notes };
}

async function distinctTexts(session: Session, path: string, column: string): Promise<string[]> {
  const name = quoteName(column);
  const rows = await session.rows(
    `select distinct ${name}::varchar as value from read_parquet(${quoteText(path)}) where ${name} is not null order by 1 limit ${ALLOWED_VALUES_LIMIT}`,
  );
  return rows.map((row) => String(row['value']));
}

/** Moves a finished file into the store where both lie on one file system, copies it otherwise. */
export async function storeFile(objects: Objects, project: string, path: string): Promise<ObjectRef> {
  const temporary = await objects.temporaryPath(project);
  try {
    await rename(path, temporary);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EXDEV') return objects.putFile(project, path);
    throw thrown;
  }
  return objects.putFile(project, temporary);
}
