import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Records } from '@slipway/records';
import { copyWorkflowStore } from '@slipway/workflows/testing';
import { schema } from '../schema.ts';

/**
 * Gives a new home the empty, migrated tables that a first start would make, which costs that start five seconds of processor
 * time. For tests of what comes after it; `commands.test.ts` and `permission-matrix.test.ts` begin with nothing.
 */
export async function prepareTestHome(home: string): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  // The capabilities are asked only for their migrations here.
  await copyWorkflowStore(join(home, 'records'), schema({} as Records));
}
