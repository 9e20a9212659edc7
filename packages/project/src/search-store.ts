import type { Db } from '@slipway/records';
import { z } from 'zod';

declare module '@slipway/records' {
  interface Tables {
    project_search_evaluation: {
      project: string;
      run: string;
      key: string;
      results: Uint8Array;
      saved_at_ms: number;
    };
  }
}

const Row = z.object({ results: z.instanceof(Uint8Array) });

export interface SearchKey {
  readonly project: string;
  readonly run: string;
  readonly key: string;
}

/** What a run's search saved under a key. */
export async function findEvaluation(db: Db, { project, run, key }: SearchKey): Promise<Uint8Array | undefined> {
  const row = await db
    .selectFrom('project_search_evaluation')
    .select('results')
    .where('project', '=', project)
    .where('run', '=', run)
    .where('key', '=', key)
    .executeTakeFirst();
  return row && Row.parse(row).results;
}

/** Keeps the first of two that are saved under one key: they are equal. */
export async function saveEvaluation(db: Db, { project, run, key }: SearchKey, results: Uint8Array, nowMs: number): Promise<void> {
  await db
    .insertInto('project_search_evaluation')
    .values({ project, run, key, results, saved_at_ms: nowMs })
    .onConflict((conflict) => conflict.columns(['project', 'run', 'key']).doNothing())
    .execute();
}

/** Forgets what a run's search saved, and what any run of the project saved before a time. */
export async function forgetEvaluations(db: Db, { project, run }: Omit<SearchKey, 'key'>, beforeMs: number): Promise<void> {
  await db.deleteFrom('project_search_evaluation').where('project', '=', project).where('run', '=', run).execute();
  await db.deleteFrom('project_search_evaluation').where('project', '=', project).where('saved_at_ms', '<', beforeMs).execute();
}
