import type { Catalog, Version } from '@slipway/catalog';
import type { Clock } from '@slipway/kernel';
import type { PastConfiguration, SearchCheckpoint } from '@slipway/learning';
import type { Records } from '@slipway/records';
import { LaunchedModelMeta } from './launch-state.ts';
import { findEvaluation, forgetEvaluations, saveEvaluation } from './search-store.ts';

/** Newest versions of the model, and of the whole project, that are looked at for what was good before. */
const OWN_VERSIONS_LIMIT = 10;
const PROJECT_VERSIONS_LIMIT = 50;
/** What one evaluation may take in the database; a larger one is computed again after a crash. */
const EVALUATION_LIMIT_BYTES = 8 * 1024 * 1024;
/** What a search left behind that never went on is forgotten after this long. */
const LEFTOVER_AGE_MS = 7 * 24 * 3_600_000;

/**
 * What earlier trainings of the project ended with, for a search to begin with: those of the same model first, then other
 * models of the same task, each newest first.
 */
export async function pastConfigurations(
  catalog: Pick<Catalog, 'list'>,
  project: string,
  { name, task }: { readonly name: string; readonly task: string },
): Promise<PastConfiguration[]> {
  const own = await catalog.list(project, { kind: 'model', name, limit: OWN_VERSIONS_LIMIT });
  const all = await catalog.list(project, { kind: 'model', limit: PROJECT_VERSIONS_LIMIT });
  const others = all.items.filter((version) => version.name !== name);
  return [...own.items, ...others].flatMap((version) => configurationOf(version, task));
}

function configurationOf(version: Version, task: string): PastConfiguration[] {
  const meta = LaunchedModelMeta.safeParse(version.meta).data;
  return meta?.task === task ? [{ trainer: meta.trainer, params: meta.params }] : [];
}

/** Keeps a run's finished evaluations in the database until `forget`, so that a killed search goes on where it was. */
export function searchCheckpoint(
  { records, clock }: { readonly records: Records; readonly clock: Clock },
  { project, run }: { readonly project: string; readonly run: string },
): SearchCheckpoint & { forget(): Promise<void> } {
  return {
    load: (key) => findEvaluation(records.db, { project, run, key }),
    async save(key, bytes) {
      if (bytes.byteLength <= EVALUATION_LIMIT_BYTES) await saveEvaluation(records.db, { project, run, key }, bytes, clock.nowMs());
    },
    forget: () => forgetEvaluations(records.db, { project, run }, clock.nowMs() - LEFTOVER_AGE_MS),
  };
}
