import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Hex } from '@slipway/kernel/hash';
import { type Records, migrate, openRecords } from '@slipway/records';
import { copyTestStore } from '@slipway/records/testing';
import { launchTestWorkflows } from '@slipway/workflows/testing';
import { schema } from '../schema.ts';

/** The capabilities are asked only for their migrations here. */
const tables = () => schema({} as Records);
const LOCK_FILE = new URL('../../../../package-lock.json', import.meta.url);

/**
 * Gives a new home the empty, migrated tables that a first start would make, which costs that start five seconds of processor
 * time. For tests of what comes after it; `commands.test.ts` and `permission-matrix.test.ts` begin with nothing.
 */
export async function prepareTestHome(home: string): Promise<void> {
  // The lock file stands for the versions of the database and of the workflow engine, which make tables of their own.
  const migrations = tables().map(({ name, migrations: list }) => [name, list]);
  const key = sha256Hex(`${await readFile(LOCK_FILE, 'utf8')}${JSON.stringify(migrations)}`).slice(0, 16);
  await mkdir(home, { recursive: true, mode: 0o700 });
  await copyTestStore(join(home, 'records'), key, makeTables);
}

async function makeTables(directory: string): Promise<void> {
  const records = await openRecords({ kind: 'embedded', directory });
  await migrate(records, tables());
  const { workflows } = await launchTestWorkflows(records, []);
  await workflows.shutdown();
  await records.close();
}
