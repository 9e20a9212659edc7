import assert from 'node:assert/strict';
import { Contract, ExplainOptions, frameFromRows, type Row } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { describe, test } from 'vitest';
import { ExplainerFormatError, ExplainRequestError, NotExplainableError } from '../errors.ts';
import { lazyExplainer } from '../explain/lazy-explainer.ts';
import { packPlain } from '../explain/plain-data.ts';
import { UnsupervisedExplainer, unpackUnsupervisedExplainer } from './explain.ts';
import { openUnsupervised, runUnsupervised, type UnsupervisedAnswer, UnsupervisedMetadata, type UnsupervisedKind } from './index.ts';

const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: [
    { name: 'x', type: 'float64', role: 'numeric', nullable: true },
    { name: 'y', type: 'float64', role: 'numeric', nullable: true },
    { name: 'noise', type: 'float64', role: 'numeric', nullable: true },
    { name: 'kind', type: 'string', role: 'categorical', nullable: true },
    { name: 'at', type: 'timestamp', role: 'time', nullable: true },
  ],
});

/** Two clumps told apart by x and kind; noise says nothing. */
function clumps(count: number, seed: string): Row[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, (): Row => {
    const clump = random.int(2);
    return {
      x: random.next() < 0.05 ? null : clump * 10 + random.normal(),
      y: random.normal(),
      noise: random.normal(),
      kind: random.next() < 0.1 ? null : ['a', 'b'][clump],
      at: new Date(Date.UTC(2024, 0, 1 + random.int(300))).toISOString(),
    };
  });
}

const [TRAIN, TEST] = [clumps(600, 'train'), clumps(40, 'test')];
const TRAINERS = { cluster: 'k-means', reduce: 'pca', anomaly: 'isolation-forest' } as const;

async function made(kind: UnsupervisedKind) {
  const done = await runUnsupervised({
    contract,
    train: frameFromRows(contract, TRAIN),
    test: frameFromRows(contract, TEST),
    options: { kind, clusters: kind === 'cluster' ? 2 : undefined, components: 2, contamination: 0.05, seed: 1 },
  });
  const { features, count, threshold } = done;
  const metadata = UnsupervisedMetadata.parse({
    format: 'slipway.unsupervised/1',
    task: kind,
    contract: done.contract,
    features,
    count,
    threshold,
    trainer: TRAINERS[kind],
    params: {},
    seed: 1,
  });
  const version = { id: 'mv_1', name: 'x', number: 1, kind: 'model' } as never;
  const servable = await openUnsupervised({ version, metadata, source: { bytes: done.bytes }, explainer: async () => done.explainer });
  const context = { signal: undefined, deadlineMs: undefined } as never;
  const ask = async (rows: readonly Row[], options: object = {}) => {
    const calls = rows.map((input) => ({ input, context }));
    const results = await servable.invoke(calls);
    const explained = (await servable.explain?.(calls, ExplainOptions.parse(options))) ?? [];
    return results.map((result, at) => {
      assert.ok(result.status === 'ok');
      const explanation = explained[at];
      assert.ok(explanation);
      return { answer: result.output as UnsupervisedAnswer, explanation };
    });
  };
  return { ask, done, close: () => servable.dispose?.() };
}

const near = (left: number, right: number, tolerance = 1e-4) =>
  assert.ok(Math.abs(left - right) <= tolerance * Math.max(1, Math.abs(right)), `${left} is not ${right}`);

const sumOf = ({ base, contributions, rest }: { base: number; contributions: readonly { contribution: number }[]; rest: number }) =>
  contributions.reduce((sum, each) => sum + each.contribution, base + rest);

describe('why a row is where it is', () => {
  test('LU9 the columns add up to the squared distance that the graph answered, and name what sets the clusters apart', async () => {
    const { ask, close } = await made('cluster');
    for (const { answer, explanation } of await ask(TEST, { top: 2 })) {
      near(Math.sqrt(explanation.margin), answer.distance ?? Number.NaN);
      near(sumOf(explanation), explanation.margin, 1e-9);
      assert.equal(explanation.output, answer.prediction);
      assert.equal(explanation.contributions.length, 2);
      assert.match(explanation.notes?.[1] ?? '', /nearer to \d: (x|kind) /);
    }
    const [other] = await ask([{ ...TEST[0], x: 10, kind: 'b' }], { class: '1' });
    const [same] = await ask([{ ...TEST[0], x: 10, kind: 'b' }], { class: '2' });
    // One of the two is the row's own cluster, and is nearer.
    const distances = [other?.explanation.margin ?? 0, same?.explanation.margin ?? 0];
    near(Math.sqrt(Math.min(...distances)), other?.answer.distance ?? Number.NaN);
    await assert.rejects(ask([TEST[0] as Row], { class: '3' }), ExplainRequestError);
    await close();
  });

  test('LU9 what the components leave out, and each component, is explained as it was answered', async () => {
    const { ask, close } = await made('reduce');
    for (const { answer, explanation } of await ask(TEST)) {
      near(Math.sqrt(explanation.margin), answer.residual ?? Number.NaN);
      near(sumOf(explanation), explanation.margin, 1e-9);
    }
    for (const component of [1, 2])
      for (const { answer, explanation } of await ask(TEST.slice(0, 10), { class: String(component) }))
        near(explanation.margin, answer.components?.[component - 1] ?? Number.NaN);
    await assert.rejects(ask([TEST[0] as Row], { class: 'rows' }), ExplainRequestError);
    await close();
  });

  test('LU9 an anomaly is explained by the columns that make it one, and its score is the sum to the power of two', async () => {
    const { ask, close } = await made('anomaly');
    const odd = { ...TEST[0], y: 40 };
    for (const { answer, explanation } of await ask([...TEST, odd])) {
      near(2 ** explanation.margin, answer.score ?? Number.NaN);
      near(sumOf(explanation), explanation.margin, 1e-6);
    }
    const [found] = await ask([odd], { counterfactuals: 2, neighbours: 1 });
    assert.equal(found?.explanation.contributions[0]?.field, 'y');
    assert.ok((found?.explanation.contributions[0]?.contribution ?? 0) > 0);
    assert.match(found?.explanation.notes?.at(-1) ?? '', /no counterfactuals and no training examples/);
    await close();
  });

  test('LU9 a version without an explainer, and bytes that are none, are refused', async () => {
    const { ask, close } = await made('cluster');
    await ask([TEST[0] as Row]);
    await close();
    const never = lazyExplainer({ id: 'mv_1' }, undefined, () => assert.fail());
    await assert.rejects(never([], ExplainOptions.parse({})), NotExplainableError);
    assert.throws(() => unpackUnsupervisedExplainer(packPlain({ format: 'another/1' })), ExplainerFormatError);
  });

  test('LU9 an explainer that does not add up fails instead of telling a tale', async () => {
    const { done, close } = await made('anomaly');
    const data = unpackUnsupervisedExplainer(done.explainer);
    const reference = data.reference?.kind === 'trees' ? { ...data.reference, covers: data.reference.covers.slice(1) } : null;
    const broken = new UnsupervisedExplainer({ ...data, reference }, done.contract);
    assert.throws(() => broken.explain(TEST[0] as Row, ExplainOptions.parse({})));
    await close();
  });
});
