import { mkdir } from 'node:fs/promises';
import type { DuckDBInstance, DuckDBValue } from '@duckdb/node-api';
import { ENGINE_CONCURRENCY, ENGINE_IDLE_MS, ENGINE_MEMORY, ENGINE_THREADS } from './limits.ts';

/** A value for a `$1` in a statement. */
export type EngineValue = string | number | bigint | null;
export type EngineRow = Readonly<Record<string, unknown>>;

/**
 * DuckDB, loaded at the first statement (60 MB, 70 ms) and let go when idle. Statements run on libuv's threads, never on
 * the event loop; a named few at once.
 */
export class Engine {
  readonly #directory: string;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #instance: Promise<DuckDBInstance> | undefined;
  #idle: NodeJS.Timeout | undefined;

  /** @param directory where statements larger than memory may spill. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Runs one statement and returns its rows; 64-bit integers arrive as bigint. */
  async query(sql: string, values: readonly EngineValue[] = []): Promise<EngineRow[]> {
    await this.#enter();
    try {
      const connection = await (await this.#open()).connect();
      try {
        const reader = await connection.runAndReadAll(sql, values as DuckDBValue[]);
        return reader.getRowObjectsJS() as EngineRow[];
      } finally {
        connection.closeSync();
      }
    } finally {
      this.#leave();
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const instance = this.#instance;
    this.#instance = undefined;
    if (instance) (await instance).closeSync();
  }

  async #open(): Promise<DuckDBInstance> {
    this.#instance ??= (async () => {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      const { DuckDBInstance: Instance } = await import('@duckdb/node-api');
      return Instance.create(':memory:', {
        threads: ENGINE_THREADS,
        memory_limit: ENGINE_MEMORY,
        temp_directory: this.#directory,
        autoinstall_known_extensions: 'false',
        autoload_known_extensions: 'false',
        preserve_insertion_order: 'false',
      });
    })();
    return this.#instance;
  }

  async #enter(): Promise<void> {
    clearTimeout(this.#idle);
    if (this.#running < ENGINE_CONCURRENCY) this.#running += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next) return next();
    this.#running -= 1;
    if (this.#running > 0) return;
    this.#idle = setTimeout(() => void this.close(), ENGINE_IDLE_MS);
    this.#idle.unref();
  }
}

/** A text as an SQL literal, for the places where DuckDB takes no parameter (file names). */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
