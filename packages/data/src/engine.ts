import { randomUUID } from 'node:crypto';
import { constants, copyFile, link, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { DuckDBConnection, DuckDBDataChunk, DuckDBInstance } from '@duckdb/node-api';
import { CancelledError } from '@slipway/kernel';
import { EngineMemoryError, StreamEndedError } from './errors.ts';

/** Threads and memory of the one DuckDB instance; spilled data go to the work directory. */
export const ENGINE_THREADS = 2;
export const ENGINE_MEMORY_MIB = 1_024;
/** Work folders older than this were left by a killed process and are removed when the engine opens. */
export const STALE_WORK_MS = 3_600_000;

export interface EngineOptions {
  readonly workDirectory: string;
  readonly threads?: number;
  readonly memoryMib?: number;
}

/**
 * DuckDB in this process, opened at first use. It can touch files under its work directory only, loads no extension,
 * and its configuration is locked; files that lie elsewhere are linked into a private folder for as long as they are read.
 */
export interface Engine {
  /** Runs work with a connection and a private folder; both are gone afterwards, whatever happened. */
  use<T>(work: (session: Session) => Promise<T>, signal?: AbortSignal): Promise<T>;
  close(): Promise<void>;
}

export interface Session {
  readonly connection: DuckDBConnection;
  readonly folder: string;
  /** A new path in the private folder. */
  path(suffix: string): string;
  /** A path by which DuckDB may read a file that lies elsewhere. */
  link(file: string, suffix: string): Promise<string>;
  /** All rows of a query as JSON-like objects; int64 come back as strings. */
  rows(sql: string): Promise<Record<string, unknown>[]>;
  run(sql: string): Promise<void>;
  /**
   * A query's rows chunk by chunk, on a connection of its own. A stream of DuckDB ends without a word when its query fails on the
   * way, or when another query begins on its connection: only the count tells.
   * @throws {StreamEndedError} when there are other than `expectedRows`; callers that give none count themselves.
   */
  stream(sql: string, expectedRows?: number): AsyncIterable<DuckDBDataChunk>;
}

export function createEngine(options: EngineOptions): Engine {
  const root = join(resolve(options.workDirectory), 'tables');
  let opening: Promise<DuckDBInstance> | undefined;
  return {
    async use(work, signal) {
      const instance = await (opening ??= open(root, options));
      throwIfAborted(signal);
      const folder = join(root, randomUUID());
      await mkdir(folder, { mode: 0o700 });
      const connections = new Set<DuckDBConnection>();
      const connect = async () => {
        const added = await instance.connect();
        connections.add(added);
        return added;
      };
      const connection = await connect();
      const interrupt = () => connections.forEach((each) => each.interrupt());
      signal?.addEventListener('abort', interrupt);
      try {
        return await work(openSession({ connection, folder, connect }));
      } catch (thrown) {
        throwIfAborted(signal);
        if (thrown instanceof Error && thrown.message.startsWith('Out of Memory Error')) {
          throw new EngineMemoryError(options.memoryMib ?? ENGINE_MEMORY_MIB, thrown);
        }
        throw thrown;
      } finally {
        signal?.removeEventListener('abort', interrupt);
        for (const each of connections) each.closeSync();
        await rm(folder, { recursive: true, force: true });
      }
    },
    async close() {
      const instance = await opening;
      opening = undefined;
      instance?.closeSync();
    },
  };
}

async function open(root: string, options: EngineOptions): Promise<DuckDBInstance> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  await sweep(root);
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  // Order matters: the directories are allowed before access is closed, and the lock comes last.
  const settings = [
    `set threads = ${options.threads ?? ENGINE_THREADS}`,
    `set memory_limit = '${options.memoryMib ?? ENGINE_MEMORY_MIB}MiB'`,
    `set temp_directory = ${quoteText(join(root, 'spill'))}`,
    `set global TimeZone = 'UTC'`,
    'set preserve_insertion_order = true',
    'set autoinstall_known_extensions = false',
    'set autoload_known_extensions = false',
    'set allow_community_extensions = false',
    `set allowed_directories = [${quoteText(`${root}/`)}]`,
    'set enable_external_access = false',
    'set lock_configuration = true',
  ];
  for (const setting of settings) await connection.run(setting);
  connection.closeSync();
  return instance;
}

async function sweep(root: string): Promise<void> {
  const oldest = Date.now() - STALE_WORK_MS;
  for (const name of await readdir(root)) {
    const path = join(root, name);
    const info = await stat(path).catch(() => undefined);
    if (info && info.mtimeMs < oldest) await rm(path, { recursive: true, force: true });
  }
}

interface SessionParts {
  readonly connection: DuckDBConnection;
  readonly folder: string;
  /** A further connection, closed with the session. */
  readonly connect: () => Promise<DuckDBConnection>;
}

function openSession({ connection, folder, connect }: SessionParts): Session {
  let next = 0;
  const path = (suffix: string) => join(folder, `${(next += 1)}${suffix}`);
  return {
    connection,
    folder,
    path,
    async link(file, suffix) {
      const target = path(suffix);
      // DuckDB follows symbolic links before it checks what it may open, so the file itself has to be in the folder.
      await link(resolve(file), target).catch(() => copyFile(file, target, constants.COPYFILE_FICLONE));
      return target;
    },
    async rows(sql) {
      const reader = await connection.runAndReadAll(sql);
      return reader.getRowObjectsJson() as Record<string, unknown>[];
    },
    async run(sql) {
      await connection.run(sql);
    },
    async *stream(sql, expectedRows) {
      const result = await (await connect()).stream(sql);
      let rows = 0;
      for (;;) {
        const chunk = await result.fetchChunk();
        if (!chunk || chunk.rowCount === 0) break;
        rows += chunk.rowCount;
        yield chunk;
      }
      if (expectedRows !== undefined && rows !== expectedRows) throw new StreamEndedError(rows, expectedRows);
    },
  };
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new CancelledError('The work was cancelled.');
}

/** A text literal of DuckDB's SQL. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A column or table name of DuckDB's SQL. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
