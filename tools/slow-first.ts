import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take longest, the longest first (measured 2026-11 on two cores). A file that is missing here still runs, only later;
 * one that is gone does no harm.
 */
const SLOW = [
  'apps/server/src/retrain.test.ts',
  'apps/cli/src/apply-rollout.test.ts',
  'apps/cli/src/commands.test.ts',
  'apps/server/src/repeated-steps.test.ts',
  'packages/telemetry/src/sketches.test.ts',
  'packages/learning/src/train.test.ts',
  'apps/server/src/rollout.test.ts',
  'packages/workflows/src/workflows.test.ts',
  'packages/workflows/src/recovery.test.ts',
  'packages/workflows/src/kill.test.ts',
  'apps/server/src/serving.test.ts',
  'apps/cli/src/stop-with-npm.test.ts',
  'packages/telemetry/src/faults.test.ts',
  'packages/telemetry/src/erase-subject.test.ts',
  'apps/server/src/replicas.test.ts',
  'apps/cli/src/known-table.test.ts',
  'apps/cli/src/finished-model.test.ts',
  'apps/cli/src/rules-and-clusters.test.ts',
  'packages/learning/src/train-ensemble.test.ts',
  'apps/cli/src/predict-table.test.ts',
  'apps/cli/src/conduct.test.ts',
  'apps/server/src/permission-matrix.test.ts',
  'packages/learning/src/forecast/forecaster.test.ts',
  'packages/catalog/src/tenancy.test.ts',
  'packages/learning/src/train-losses.test.ts',
];

/** Without results of an earlier run, as in a fresh clone, Vitest orders by file size: then one long file runs alone at the end. */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = await super.sort(files);
    const rank = ({ moduleId }: TestSpecification) => {
      const place = SLOW.findIndex((path) => moduleId.endsWith(path));
      return place === -1 ? SLOW.length : place;
    };
    return others.toSorted((a, b) => rank(a) - rank(b));
  }
}
