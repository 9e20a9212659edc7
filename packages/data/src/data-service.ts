import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Catalog, ParentLink, Version } from '@slipway/catalog';
import { type Clock, Contract, type Frame, type Json, type Principal, toRfc3339 } from '@slipway/kernel';
import { hashJson } from '@slipway/kernel/hash';
import type { ObjectRef, Objects } from '@slipway/objects';
import type { Records } from '@slipway/records';
import { type ColumnProblem, DatasetMeta, type DatasetVersion, type Enforcement, Profile, type RowsPage, type Upload } from './contract.ts';
import { createEngine, type EngineOptions } from './engine.ts';
import { type ErasedRows, eraseSubjectRows } from './erase-rows.ts';
import { enforceContract } from './enforce-contract.ts';
import { DatasetNotFoundError } from './errors.ts';
import { type IngestRequest, type IngestResult, type SourceOptions, ingest } from './ingest.ts';
import { loadJson, storeJson } from './json-objects.ts';
import { UPLOAD_LIMIT_BYTES } from './limits.ts';
import { loadFrameFrom, pickColumns, readRowsFrom } from './load-frame.ts';

/** Part of every recipe: raised when the same bytes and options would be read differently. */
export const READING_VERSION = 2;

export interface DataDeps {
  readonly records: Records;
  readonly objects: Objects;
  readonly catalog: Catalog;
  readonly clock: Clock;
  /** A folder of our own for DuckDB's temporary files. */
  readonly workDirectory: string;
  readonly engine?: Omit<EngineOptions, 'workDirectory'>;
  /** Told of every upload before its sender is. */
  readonly onUpload?: (project: string, upload: ObjectRef) => Promise<void>;
}

/** A file of this machine, or bytes uploaded before. */
export type VersionSource = SourceOptions | (Omit<SourceOptions, 'path'> & { readonly upload: string });

export interface IngestVersionRequest extends Omit<IngestRequest, 'source'> {
  readonly name: string;
  readonly source: VersionSource;
  readonly principal: Pick<Principal, 'id'>;
  readonly run?: string | null;
  readonly parents?: readonly ParentLink[];
}

export interface IngestedVersion {
  readonly version: Version;
  readonly meta: DatasetMeta;
  /** False when this recipe had been ingested before: its version is returned and nothing was read again. */
  readonly created: boolean;
  /** What enforcement found; null when nothing was read again. */
  readonly enforcement: Enforcement | null;
}

/** Datasets: from a file to a version in the catalog, and from a version to frames, rows, profiles and contracts. */
export interface Data {
  /** Reads, checks and stores a file without registering anything. */
  ingest(request: IngestRequest): Promise<IngestResult>;
  /** Ingests and registers a version of kind `dataset`; the same recipe gives the same version. */
  ingestVersion(request: IngestVersionRequest): Promise<IngestedVersion>;
  /** Stores raw bytes to be ingested later. @throws {ObjectTooLargeError} past UPLOAD_LIMIT_BYTES. */
  upload(project: string, bytes: AsyncIterable<Uint8Array>): Promise<Upload>;
  /** The version of an id, `name`, `name@alias` or `name:number`, with its meta. @throws not-found errors, also when it is retired. */
  dataset(project: string, reference: string): Promise<{ version: Version; meta: DatasetMeta }>;
  loadFrame(project: string, meta: DatasetMeta, columns?: readonly string[]): Promise<Frame>;
  readRows(project: string, meta: DatasetMeta, range: { readonly limit: number; readonly offset: number }): Promise<RowsPage>;
  loadProfile(project: string, meta: DatasetMeta): Promise<Profile>;
  loadContract(project: string, meta: DatasetMeta): Promise<Contract>;
  /** Checks a stored dataset against another contract. */
  enforce(project: string, meta: DatasetMeta, contract: Contract): Promise<Enforcement>;
  eraseSubjectRows(request: Parameters<typeof eraseSubjectRows>[1]): Promise<ErasedRows>;
  /** Frees DuckDB. */
  close(): Promise<void>;
}

export function createData(deps: DataDeps): Data {
  const engine = createEngine({ workDirectory: deps.workDirectory, ...deps.engine });
  const parts = { engine, objects: deps.objects };
  const readParquet = async <T>(
    project: string,
    meta: DatasetMeta,
    read: (session: Parameters<Parameters<typeof engine.use>[0]>[0], file: string) => Promise<T>,
  ) => {
    const file = await deps.objects.localPath(project, meta.parquet.sha256);
    return engine.use(async (session) => read(session, await session.link(file, '.parquet')));
  };
  return {
    ingest: (request) => ingest(parts, request),
    ingestVersion: (request) => ingestVersion(deps, (ingestRequest) => ingest(parts, ingestRequest), request),
    async upload(project, bytes) {
      const { sha256, sizeBytes } = await deps.objects.put(project, bytes, UPLOAD_LIMIT_BYTES);
      await deps.onUpload?.(project, { sha256, sizeBytes });
      return { upload: `${UPLOAD_PREFIX}${sha256}`, sha256, sizeBytes };
    },
    async dataset(project, reference) {
      const version = await deps.catalog.resolve(project, 'dataset', reference);
      const meta = metaOf(version);
      if (!meta)
        throw new DatasetNotFoundError(`The dataset version ${version.name}:${version.number} has been retired.`, {
          details: { version: version.id },
        });
      return { version, meta };
    },
    loadFrame: (project, meta, columns) =>
      readParquet(project, meta, (session, file) => loadFrameFrom(session, file, meta.rows, pickColumns(meta.columns, columns))),
    async readRows(project, meta, range) {
      const rows = await readParquet(project, meta, (session, file) => readRowsFrom(session, file, meta.columns, range));
      return { columns: meta.columns.map((column) => column.name), rows, offset: range.offset, total: meta.rows };
    },
    loadProfile: (project, meta) => loadJson(deps.objects, project, meta.profile, Profile),
    loadContract: (project, meta) => loadJson(deps.objects, project, meta.contract, Contract),
    enforce: (project, meta, contract) => readParquet(project, meta, (session, file) => enforceStored(session, file, meta, contract)),
    eraseSubjectRows: (request) => eraseSubjectRows(parts, request),
    close: () => engine.close(),
  };
}

const UPLOAD_PREFIX = 'upl_';

function enforceStored(
  session: Parameters<typeof enforceContract>[0],
  file: string,
  meta: DatasetMeta,
  contract: Contract,
): Promise<Enforcement> {
  const types = new Map(meta.columns.map((column) => [column.name, column.type]));
  const known = new Set([...contract.fields.map((field) => field.name), ...contract.ignored]);
  const problems = contract.fields.flatMap((field): ColumnProblem[] => {
    const got = types.get(field.name);
    if (got === undefined)
      return [{ column: field.name, problem: 'missing', severity: 'error', expected: field.type, got: 'no such column' }];
    if (got === field.type || (field.type === 'float64' && got === 'int64')) return [];
    return [{ column: field.name, problem: 'retyped', severity: 'error', expected: field.type, got }];
  });
  const extra = meta.columns
    .filter((column) => !known.has(column.name))
    .map((column): ColumnProblem => ({
      column: column.name,
      problem: 'extra',
      severity: 'warn',
      expected: 'a column of the contract',
      got: column.type,
    }));
  return enforceContract(session, file, contract, [...problems, ...extra]);
}

async function ingestVersion(
  deps: DataDeps,
  read: (request: IngestRequest) => Promise<IngestResult>,
  request: IngestVersionRequest,
): Promise<IngestedVersion> {
  const { project, name } = request;
  const source = await localSource(deps.objects, project, request.source);
  const recipe = hashJson(recipeOf(request, await digestOf(source.path)));
  const known = await deps.catalog.findByRecipe(project, 'dataset', name, recipe);
  const knownMeta = known && metaOf(known);
  if (known && knownMeta) return { version: known, meta: knownMeta, created: false, enforcement: null };
  const result = await read({ ...request, source });
  const meta = await storeMeta(deps.objects, request, result);
  return deps.records.transaction(async (tx) => {
    const entry = { project, kind: 'dataset' as const, name, recipe, content: result.rowsHash, run: request.run ?? null };
    const registered = await deps.catalog.register(tx, {
      ...entry,
      principal: request.principal.id,
      meta: meta as unknown as Json,
      parents: request.parents ?? [],
    });
    return {
      version: registered.version,
      meta: metaOf(registered.version) ?? meta,
      created: registered.created,
      enforcement: result.enforcement,
    };
  });
}

async function localSource(objects: Objects, project: string, source: VersionSource): Promise<SourceOptions> {
  if (!('upload' in source)) return source;
  const { upload, ...options } = source;
  const sha256 = upload.startsWith(UPLOAD_PREFIX) ? upload.slice(UPLOAD_PREFIX.length) : upload;
  if (!/^[0-9a-f]{64}$/.test(sha256) || !(await objects.has(project, sha256))) {
    throw new DatasetNotFoundError(`There is no upload "${upload.slice(0, 80)}".`, { help: 'Send the bytes to POST /v1/uploads first.' });
  }
  return { ...options, path: await objects.localPath(project, sha256) };
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Everything that decides the result; where the bytes lie and who asked does not. */
function recipeOf(request: IngestVersionRequest, sha256: string): unknown {
  const { format, columns, delimiter, encoding, header, missing, dayFirst } = request.source;
  const { exclude, as, target, time, group, subject } = request;
  return {
    kind: 'slipway.dataset/1',
    reading: READING_VERSION,
    source: sha256,
    options: { format, columns, delimiter, encoding, header, missing, dayFirst },
    roles: { exclude: exclude?.toSorted(), as, target, time, group, subject },
    contract: request.contract ? hashJson(request.contract) : null,
  };
}

async function storeMeta(objects: Objects, request: IngestVersionRequest, result: IngestResult): Promise<DatasetMeta> {
  const profile = await storeJson(objects, request.project, result.profile);
  const contract = await storeJson(objects, request.project, result.contract);
  const fields = new Map(result.contract.fields.map((field) => [field.name, field]));
  const columns = result.profile.columns.map((column) => {
    const field = fields.get(column.name);
    return { name: column.name, type: column.type, role: field?.role ?? ('ignored' as const), nullable: field?.nullable ?? true };
  });
  return {
    format: 'slipway.dataset/1',
    parquet: { sha256: result.parquet.sha256, sizeBytes: result.parquet.sizeBytes },
    rowsHash: result.rowsHash,
    rows: result.rows,
    columns,
    profile: profile.sha256,
    contract: contract.sha256,
    reading: result.reading,
    target: request.target ?? result.contract.fields.find((field) => field.role === 'target')?.name ?? null,
    time: request.time ?? null,
    group: request.group ?? null,
    subjectColumn: request.subject ?? null,
    notes: [...result.notes].slice(0, NOTE_LIMIT),
  };
}

/** Notes kept with a version. */
const NOTE_LIMIT = 500;

/** The meta of a dataset version; undefined when it has been retired. */
export function metaOf(version: Version): DatasetMeta | undefined {
  return version.meta === null ? undefined : DatasetMeta.parse(version.meta);
}

/** A version as the API shows it. */
export function toDatasetVersion(version: Version): DatasetVersion {
  const { id, name, number, recipe, content, run, principal } = version;
  return { id, name, number, recipe, content, run, createdAt: toRfc3339(version.createdAtMs), principal, meta: metaOf(version) ?? null };
}
