import { randomBytes } from 'node:crypto';
import { cpSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Capability } from '@slipway/kernel';
import { sql } from 'kysely';
import pg from 'pg';
import { migrate } from '../migrate.ts';
import { openRecords, type Records } from '../records.ts';

/** Where a real PostgreSQL for tests listens; when unset, the suites that need one say that they skip. */
export const TEST_DATABASE_URL = process.env['SLIPWAY_TEST_DATABASE_URL'];

/** What is kept in the temporary folder was made by this one; as in package.json. */
const PGLITE_VERSION = '0.5.16';

export type TestEngine = 'embedded' | 'postgres';

/** The engines this machine can test against. */
export const testEngines: readonly TestEngine[] = TEST_DATABASE_URL === undefined ? ['embedded'] : ['embedded', 'postgres'];

/** A fresh, migrated store: in memory from a cached empty data directory, or a new database on the test server. */
export async function createTestRecords(
  capabilities: readonly Pick<Capability, 'name' | 'migrations'>[] = [],
  engine: TestEngine = 'embedded',
): Promise<Records> {
  const records = engine === 'embedded' ? await openEmbedded() : await openPostgres();
  await migrate(records, capabilities);
  return records;
}

/** Statements that a closed engine was still running have ended by then. */
const TRUNCATE_TRIES = 10;
const DEADLOCK = '40P01';

/**
 * Empties every table, the workflow engine's too, and keeps the schema: for the next test on the same store. Opening a new
 * one costs one to four seconds of processor time, this some milliseconds.
 */
export async function emptyTables(records: Records): Promise<void> {
  const { rows } = await sql<{ name: string }>`select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname in ('public', 'dbos') and tablename not in ('records_migration', 'dbos_migrations')`.execute(records.db);
  const truncate = sql.raw(`truncate ${rows.map((row) => row.name).join(', ')} restart identity`);
  for (let attempt = 1; ; attempt += 1) {
    try {
      await truncate.execute(records.db);
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== DEADLOCK || attempt === TRUNCATE_TRIES) throw error;
    }
  }
}

/** How long another process may take to make what this one needs, before this one makes it too. */
const TEMPLATE_WAIT_MS = 60_000;
const TEMPLATE_LOOK_MS = 50;

/**
 * Fills a folder with a copy of an embedded store that `prepare` left behind, made once per machine and `key`. The key must
 * change with whatever `prepare` does.
 */
export async function copyTestStore(directory: string, key: string, prepare: (directory: string) => Promise<void>): Promise<void> {
  const template = join(tmpdir(), `slipway-test-store-${process.getuid?.() ?? 0}-${PGLITE_VERSION}-${key}`);
  if (!(await exists(template)) && !(await isMadeElsewhere(template))) {
    const partial = `${template}.${randomBytes(6).toString('hex')}`;
    await mkdir(partial, { mode: 0o700 });
    await prepare(partial);
    // Another process may have been quicker; its copy is as good.
    await rename(partial, template).catch(() => rm(partial, { recursive: true, force: true }));
  }
  // A thousand files: the synchronous copy takes half of the processor time of the other (0.25 s against 0.5, 2026-11).
  cpSync(template, directory, { recursive: true });
}

const exists = async (path: string) => (await stat(path).catch(() => undefined)) !== undefined;

/** Suites that start together need the same store: the first says that it makes it, the others wait for that. */
async function isMadeElsewhere(template: string): Promise<boolean> {
  const isFirst = await mkdir(`${template}.making`, { mode: 0o700 }).then(
    () => true,
    () => false,
  );
  if (isFirst) return false;
  for (let waitedMs = 0; waitedMs < TEMPLATE_WAIT_MS; waitedMs += TEMPLATE_LOOK_MS) {
    if (await exists(template)) return true;
    await delay(TEMPLATE_LOOK_MS);
  }
  return false;
}

async function openEmbedded(): Promise<Records> {
  const cache = join(tmpdir(), `slipway-test-pgdata-${process.getuid?.() ?? 0}-${PGLITE_VERSION}.tar`);
  const cached = await readFile(cache).catch(() => undefined);
  const records = await openRecords({ kind: 'embedded', directory: undefined, ...(cached ? { loadDataDir: cached } : {}) });
  if (!cached && records.dumpDataDir) {
    await mkdir(tmpdir(), { recursive: true });
    const partial = `${cache}.${randomBytes(6).toString('hex')}`;
    await writeFile(partial, await records.dumpDataDir(), { mode: 0o600 });
    await rename(partial, cache);
  }
  return records;
}

async function openPostgres(): Promise<Records> {
  if (TEST_DATABASE_URL === undefined) throw new Error('SLIPWAY_TEST_DATABASE_URL is not set');
  const name = `slipway_test_${randomBytes(8).toString('hex')}`;
  await withAdmin((admin) => admin.query(`create database ${name}`));
  const url = new URL(TEST_DATABASE_URL);
  url.pathname = `/${name}`;
  const records = await openRecords({ kind: 'postgres', url: url.href });
  return {
    ...records,
    async close() {
      await records.close();
      await withAdmin((admin) => admin.query(`drop database if exists ${name} with (force)`));
    },
  };
}

async function withAdmin(work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: TEST_DATABASE_URL });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
