import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Capability } from '@slipway/kernel';
import pg from 'pg';
import { migrate } from '../migrate.ts';
import { openRecords, type Records } from '../records.ts';

/** Where a real PostgreSQL for tests listens; when unset, the suites that need one say that they skip. */
export const TEST_DATABASE_URL = process.env['SLIPWAY_TEST_DATABASE_URL'];

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

async function openEmbedded(): Promise<Records> {
  const cache = join(tmpdir(), `slipway-test-pgdata-${process.getuid?.() ?? 0}-0.5.16.tar`);
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
