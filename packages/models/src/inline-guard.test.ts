import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { GUARD_WINDOW_RUNS, INLINE_LEAVE_MS, INLINE_RUN_LIMIT_MS, InlineGuard } from './inline-guard.ts';
import { GraphBuilder, type ModelMetadata, openModel } from './index.ts';

const guard = () => new InlineGuard({ rowLimitMax: 64, budgetMs: 4 });

describe('InlineGuard', () => {
  test('a run beyond the limit halves the next ones, and quick full ones let them grow again up to what was measured', () => {
    const watch = guard();
    assert.deepEqual(watch.advise(INLINE_RUN_LIMIT_MS + 1, 64, 64), { rowLimit: 32 });
    assert.deepEqual(watch.advise(INLINE_RUN_LIMIT_MS + 1, 32, 32), { rowLimit: 16 });
    assert.equal(watch.advise(1, 8, 16), undefined, 'a run that was not full says nothing about larger ones');
    let rowLimit = 16;
    for (let run = 0; run < 20; run += 1)
      rowLimit = (watch.advise(1, rowLimit, rowLimit) as { rowLimit: number } | undefined)?.rowLimit ?? rowLimit;
    assert.equal(rowLimit, 64);
  });

  test('rows that are too dear in half of a window ask for another thread; some slow ones among quick ones do not', () => {
    const watch = guard();
    for (let run = 0; run < 10 * GUARD_WINDOW_RUNS; run += 1) {
      assert.notEqual(watch.advise(run % 3 === 0 ? INLINE_LEAVE_MS * 5 : 0.1, 1, 1), 'leave');
    }
    let runs = 0;
    while (watch.advise(INLINE_LEAVE_MS * 1.1, 1, 1) !== 'leave') runs += 1;
    assert.ok(runs < GUARD_WINDOW_RUNS, `${runs} runs`);
  });
});

/** Whether a text ends in b: what a row costs grows with its text, which no measurement at load can know. */
function textModel(): { bytes: Uint8Array; metadata: ModelMetadata } {
  const graph = new GraphBuilder('ends-in-b');
  const matches = graph.op('RegexFullMatch', [graph.input('text', 'string', ['N', 1])], { pattern: '[^x]*b' });
  graph.op('Cast', [matches], { to: 1 }, { output: 'prediction' });
  graph.output('prediction', 'float', ['N', 1]);
  return {
    bytes: graph.build(),
    metadata: {
      format: 'slipway.model/1',
      task: 'regression',
      target: 'y',
      classes: null,
      positive: null,
      contract: {
        format: 'slipway.contract/1',
        fields: [{ name: 'text', type: 'string', role: 'text', nullable: false, expect: {}, severity: 'warn' }],
        ignored: [],
      },
      features: [],
      trainer: 'by hand',
      params: {},
      seed: 1,
    },
  };
}

test('MO3 a model that was quick when it was loaded moves to a worker when real rows turn out slow, and answers all the while', async () => {
  const model = await openModel({ ...textModel(), serving: {} });
  assert.equal(model.facts.lane, 'inline');
  assert.deepEqual((await model.predictRows([{ text: 'ab' }, { text: 'ba' }])).values, new Float64Array([1, 0]));
  const long = `${'a'.repeat(4_000_000)}b`;
  for (let call = 0; call < 300 && model.facts.lane === 'inline'; call += 1) {
    assert.deepEqual((await model.predictRows([{ text: long }])).values, new Float64Array([1]));
    // Opening the workers needs the thread that is kept busy here.
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.equal(model.facts.lane, 'worker');
  assert.deepEqual((await model.predictRows([{ text: long }, { text: 'x' }])).values, new Float64Array([1, 0]));
  await model.close();
}, 60_000);
