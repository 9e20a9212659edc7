import assert from 'node:assert/strict';
import { Contract, type Frame, frameFromRows, type Row } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { describe, test } from 'vitest';
import { UnsupervisedMetadata, openUnsupervised, runUnsupervised, type UnsupervisedOptions, type UnsupervisedRun } from './index.ts';
import { meanPathLength } from './isolation-forest.ts';
import { fitClusters } from './k-means.ts';
import { adjustedRand, rankCorrelation, silhouettes } from './measures.ts';
import { eigen } from './principal.ts';

const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: [
    { name: 'x', type: 'float64', role: 'numeric', nullable: true },
    { name: 'y', type: 'float64', role: 'numeric', nullable: true },
    { name: 'z', type: 'float64', role: 'numeric', nullable: true },
    { name: 'kind', type: 'string', role: 'categorical', nullable: true },
    { name: 'at', type: 'timestamp', role: 'time', nullable: true },
    { name: 'id', type: 'string', role: 'identifier', nullable: true },
  ],
});

/** Three clumps; z follows x; a fifth of the kinds is missing. */
function clumps(count: number, seed: string): { frame: Frame; rows: Row[]; truth: Int32Array } {
  const random = createRandom(seed);
  const truth = Int32Array.from({ length: count }, () => random.int(3));
  const rows = Array.from(truth, (clump, at): Row => {
    const x = [0, 10, 20][clump] as number;
    const own = x + random.normal();
    return {
      x: random.next() < 0.05 ? null : own,
      y: ([0, 8, -8][clump] as number) + random.normal(),
      z: 2 * own + 0.1 * random.normal(),
      kind: random.next() < 0.2 ? null : ['a', 'b', 'c'][clump],
      at: new Date(Date.UTC(2024, 0, 1 + random.int(300), random.int(24))).toISOString(),
      id: `row ${at}`,
    };
  });
  return { frame: frameFromRows(contract, rows), rows, truth };
}

const [TRAIN, TEST] = [clumps(900, 'train'), clumps(400, 'test')];

function run(
  options: Partial<UnsupervisedOptions> & Pick<UnsupervisedOptions, 'kind'>,
  test = TEST.frame,
  labels?: Int32Array,
): Promise<UnsupervisedRun> {
  return runUnsupervised({ contract, train: TRAIN.frame, test, labels, options: { contamination: 0.05, seed: 1, ...options } });
}

async function answer(done: UnsupervisedRun, kind: UnsupervisedOptions['kind'], rows: readonly Row[]) {
  const trainer = { cluster: 'k-means', reduce: 'pca', anomaly: 'isolation-forest' }[kind];
  const metadata = UnsupervisedMetadata.parse({
    format: 'slipway.unsupervised/1',
    task: kind,
    contract: done.contract,
    features: done.features,
    count: done.count,
    threshold: done.threshold,
    trainer,
    params: {},
    seed: 1,
  });
  const version = { id: 'model_1', name: 'x', number: 1, kind: 'model' } as never;
  const servable = await openUnsupervised({ version, metadata, source: { bytes: done.bytes } });
  try {
    const context = { signal: undefined, deadlineMs: undefined } as never;
    return await servable.invoke(rows.map((input) => ({ input, context })));
  } finally {
    await servable.dispose?.();
  }
}

describe('clusters', () => {
  test('LU1 clumps are found without being told how many, judged, described and served by the graph', async () => {
    const done = await run({ kind: 'cluster' }, TEST.frame, TEST.truth);
    assert.equal(done.count, 3);
    assert.ok((done.judgement.metrics['adjusted_rand']?.value ?? 0) > 0.95);
    assert.ok((done.judgement.metrics['stability']?.value ?? 0) > 0.95);
    assert.ok((done.judgement.metrics['silhouette']?.low ?? 0) > (done.judgement.baseline['silhouette'] ?? 1));
    assert.ok(done.maxError <= 1e-6, String(done.maxError));
    assert.equal(
      done.clusters.reduce((sum, each) => sum + each.rows, 0),
      900,
    );
    assert.ok(done.clusters.some((each) => each.traits.some((trait) => trait.includes('x'))));
    const answers = await answer(done, 'cluster', TEST.rows);
    const said = answers.map((each) => (each.status === 'ok' ? (each.output.cluster ?? 0) : 0));
    assert.ok(adjustedRand(said, TEST.truth) > 0.95);
    assert.equal(
      done.excluded.some((each) => each.field === 'id'),
      true,
    );
  });

  test('LU1 rows without clumps are not better divided than unrelated columns', async () => {
    const random = createRandom('noise');
    const noise = (count: number) =>
      frameFromRows(
        contract,
        Array.from({ length: count }, () => ({ x: random.normal(), y: random.normal(), z: random.normal() })),
      );
    const { judgement } = await runUnsupervised({
      contract,
      train: noise(600),
      test: noise(300),
      options: { kind: 'cluster', clusters: 3, contamination: 0.05, seed: 1 },
    });
    assert.ok((judgement.metrics['silhouette']?.low ?? 1) < (judgement.baseline['silhouette'] ?? 0) + 0.02);
  });

  test('an emptied cluster is filled again, and as many clusters as asked for come out', () => {
    const values = Float64Array.of(0, 0, 0, 1, 1, 1, 10, 10);
    const { assigned, count } = fitClusters({ rowCount: 8, width: 1, values }, 3, 1);
    assert.equal(count, 3);
    assert.equal(new Set(assigned).size, 3);
    const same = fitClusters({ rowCount: 4, width: 1, values: new Float64Array(4) }, 2, 1);
    assert.equal(same.inertia, 0);
  });
});

describe('components', () => {
  test('LU2 columns that follow each other become one component, and what is left out is told', async () => {
    const done = await run({ kind: 'reduce' });
    const explained = done.judgement.metrics['explained_variance'];
    assert.ok((explained?.low ?? 0) > (done.judgement.baseline['explained_variance'] ?? 1));
    assert.ok(done.maxError <= 1e-6, String(done.maxError));
    assert.ok(done.components.every((each, at) => at === 0 || each.share <= (done.components[at - 1]?.share ?? 0)));
    const [first] = await answer(done, 'reduce', TEST.rows);
    assert.ok(first?.status === 'ok' && first.output.components?.length === done.count);
  });

  test('LU2 eigenvectors are orthonormal and rebuild the matrix', () => {
    const width = 6;
    const random = createRandom('symmetric');
    const matrix = new Float64Array(width * width);
    for (let a = 0; a < width; a += 1) for (let b = a; b < width; b += 1) matrix[a * width + b] = matrix[b * width + a] = random.normal();
    const { values, vectors } = eigen(matrix, width);
    for (let a = 0; a < width; a += 1) {
      for (let b = 0; b < width; b += 1) {
        let [rebuilt, product] = [0, 0];
        for (let k = 0; k < width; k += 1) {
          rebuilt += (vectors[a * width + k] as number) * (values[k] as number) * (vectors[b * width + k] as number);
          product += (vectors[k * width + a] as number) * (vectors[k * width + b] as number);
        }
        assert.ok(Math.abs(rebuilt - (matrix[a * width + b] as number)) < 1e-12);
        assert.ok(Math.abs(product - (a === b ? 1 : 0)) < 1e-12);
      }
    }
  });
});

describe('anomalies', () => {
  test('LU3 rows far from all others have the highest scores, and so many are anomalies as were asked for', async () => {
    const strange = Array.from({ length: 20 }, (_, at): Row => ({
      x: 60 + at,
      y: -60,
      z: 0,
      kind: 'never seen',
      at: '2024-05-05T05:00:00Z',
      id: 's',
    }));
    const rows = [...TEST.rows, ...strange];
    const labels = Int32Array.from(rows, (_, at) => (at >= TEST.rows.length ? 1 : 0));
    const done = await run({ kind: 'anomaly' }, frameFromRows(contract, rows), labels);
    assert.ok((done.judgement.metrics['roc_auc']?.value ?? 0) > 0.99);
    assert.ok(done.maxError <= 1e-9, String(done.maxError));
    const usual = await run({ kind: 'anomaly', contamination: 0.1 });
    assert.ok(Math.abs((usual.judgement.metrics['anomaly_rate']?.value ?? 0) - 0.1) < 0.06);
    const answers = await answer(done, 'anomaly', strange);
    assert.ok(answers.every((each) => each.status === 'ok' && each.output.isAnomaly === true && each.output.prediction === 'anomaly'));
  });
});

test('LU4 the same rows and seed give the same bytes and the same judgement, another seed others', async () => {
  const [one, two, other] = await Promise.all([run({ kind: 'anomaly' }), run({ kind: 'anomaly' }), run({ kind: 'anomaly', seed: 2 })]);
  assert.deepEqual(one.bytes, two.bytes);
  assert.deepEqual(one.judgement, two.judgement);
  assert.notDeepEqual(one.bytes, other.bytes);
});

test('LU5 a training that is cancelled ends at once', async () => {
  const controller = new AbortController();
  const running = runUnsupervised(
    { contract, train: TRAIN.frame, test: TEST.frame, options: { kind: 'cluster', contamination: 0.05, seed: 1 } },
    { signal: controller.signal },
  );
  controller.abort();
  await assert.rejects(running, { code: 'learning/cancelled' });
});

test('measures agree with what can be counted by hand', () => {
  assert.equal(adjustedRand([1, 1, 2, 2], [5, 5, 7, 7]), 1);
  assert.ok(Math.abs(adjustedRand([0, 0, 1, 1], [0, 0, 1, 2]) - 0.5714285714285714) < 1e-12);
  assert.equal(rankCorrelation(Float64Array.of(1, 2, 3), Float64Array.of(10, 20, 30)), 1);
  assert.equal(meanPathLength(2), 1);
  const values = Float64Array.of(0, 1, 10, 11);
  assert.deepEqual(
    [...silhouettes({ rowCount: 4, width: 1, values }, Int32Array.of(0, 0, 1, 1), 2)].map((each) => Math.round(each * 1e4) / 1e4),
    [0.9048, 0.8947, 0.8947, 0.9048],
  );
});
