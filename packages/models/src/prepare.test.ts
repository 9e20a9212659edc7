import assert from 'node:assert/strict';
import { test } from 'vitest';
import { openEngine } from './engine.ts';
import { decodeModel, packInputs } from './index.ts';
import { namedPlan } from './input-plan.ts';
import { choosePacked, prepareModel } from './prepare.ts';
import { signatureOf } from './signature.ts';
import { type SyntheticModel, syntheticModel } from './testing/index.ts';

const SIZES = { numeric: 4, categorical: 2, trees: 10, depth: 3 } as const;

async function choose(served: SyntheticModel, packed: SyntheticModel) {
  const model = decodeModel(served.bytes);
  const plan = namedPlan(
    signatureOf(model).inputs.map(({ name, elementType, shape }) => ({
      name,
      elementType: elementType as 'double',
      rank: shape.length === 1 ? (1 as const) : (2 as const),
    })),
  );
  const named = { plan, bytes: undefined, engine: await openEngine(served.bytes, plan) };
  const choice = await choosePacked(named, {}, served.metadata, () => packInputs(decodeModel(packed.bytes), ['probabilities', 'features']));
  await choice.engine.close();
  return choice;
}

test('MO1 the packed graph serves when it answers as the original does', async () => {
  const model = syntheticModel(SIZES);
  const choice = await choose(model, model);
  assert.deepEqual([choice.plan.layout, choice.reason], ['packed', undefined]);
});

test('MO1 negative control: a packed graph that answers otherwise is not served, and the reason says by how much', async () => {
  const choice = await choose(syntheticModel(SIZES), syntheticModel({ ...SIZES, seed: 2 }));
  assert.equal(choice.plan.layout, 'named');
  assert.match(choice.reason ?? '', /^the packed graph differs by 0\.\d+/);
});

test('MO1 every load compares: a model that is prepared says which graph serves it', async () => {
  const { bytes, metadata } = syntheticModel(SIZES);
  const { prepared, engine } = await prepareModel(bytes, metadata, { pack: true, compile: true });
  assert.deepEqual([prepared.plan.layout, prepared.unpackedReason], ['packed', undefined]);
  assert.equal(prepared.sizeBytes, prepared.packedBytes?.length);
  await engine.close();
});
