import assert from 'node:assert/strict';
import { test } from 'vitest';
import { InvalidError } from '@slipway/kernel';
import {
  csv,
  dataset,
  defineProject,
  file,
  model,
  planLaunches,
  planModelLaunches,
  release,
  renderConfig,
  renderModelConfig,
} from './define.ts';

const serving = { lane: 'worker', lanes: 2, threads: 2, maxBatchRows: 64, warmup: false } as const;
const rows = dataset('rows', { source: csv('rows.csv') });
const learnt = model('m', { from: rows, target: 'y' });
const finished = model('f', { onnx: file('m.onnx') });

test('serving settings go with the release from the definition to the launch, and back into a saved definition', () => {
  const [planned] = planLaunches(defineProject('p', [rows, learnt, release('m', { serve: learnt, serving })]));
  assert.deepEqual(planned?.definition.serving, serving);
  const text = renderConfig(planned.definition, { dataPath: 'rows.csv', testPath: undefined });
  assert.match(text, /serving: \{ lane: 'worker', lanes: 2, threads: 2, maxBatchRows: 64, warmup: false \},/);
  const [imported] = planModelLaunches(defineProject('p', [finished, release('f', { serve: finished, serving })]));
  assert.deepEqual(imported?.definition.serving, serving);
  assert.match(renderModelConfig(imported.definition, { modelPath: 'm.onnx', referencePath: undefined }), /serving: \{ lane: 'worker'/);
});

test('a setting that does not exist or is out of bounds is refused, naming release and field', () => {
  for (const wrong of [{ lanes: 0 }, { threads: 65 }, { provider: 'tpu' }, { speed: 'high' }]) {
    const project = defineProject('p', [rows, learnt, release('m', { serve: learnt, serving: wrong as never })]);
    assert.throws(
      () => planLaunches(project),
      (error: unknown) => error instanceof InvalidError && /Release "m": serving/.test(error.message),
    );
  }
});
