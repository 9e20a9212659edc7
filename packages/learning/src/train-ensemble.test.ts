import assert from 'node:assert/strict';
import { Contract, type Frame, type Json } from '@slipway/kernel';
import { maxParityError } from '@slipway/models';
import { createRandom } from '@slipway/statistics';
import { describe, test } from 'vitest';
import { TrainingCancelledError, TrainRequestError } from './errors.ts';
import { completeParams } from './model-plan.ts';
import type { SearchCheckpoint } from './search/checkpoint.ts';
import { compareWithGraph } from './testing/open-fitted.ts';
import { train, type TrainRequest } from './train.ts';

const NAMES = ['a', 'b', 'c', 'd'];
const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: NAMES.map((name) => ({ name, type: 'float64', role: 'numeric', nullable: true })),
});

/** Half of the answer is a straight line, half a box: neither a line nor few trees alone say it well. */
function makeRows(rowCount: number, seed: number): { frame: Frame; score: Float64Array } {
  const random = createRandom(seed);
  const values = NAMES.map(() => Float64Array.from({ length: rowCount }, () => random.normal()));
  const [a, b, c, d] = values as [Float64Array, Float64Array, Float64Array, Float64Array];
  const score = a.map(
    (value, row) => value + (b[row] as number) + (Math.abs((c[row] as number) * (d[row] as number)) > 0.5 ? 1 : -1) + random.normal(),
  );
  return {
    frame: { rowCount, columns: new Map(NAMES.map((name, at) => [name, { kind: 'number' as const, values: values[at] as Float64Array }])) },
    score,
  };
}

function requestFor(task: 'binary' | 'multiclass' | 'regression', rowCount: number, overrides: Partial<TrainRequest> = {}): TrainRequest {
  const { frame, score } = makeRows(rowCount, 1);
  const classes = task === 'regression' ? null : task === 'binary' ? ['no', 'yes'] : ['x', 'y', 'z'];
  const target = score.map((value) =>
    task === 'regression' ? 50 + 9 * value : task === 'binary' ? Number(value > 0) : value < -1 ? 0 : value < 1 ? 1 : 2,
  );
  return { frame, contract, task, target, classes, seed: 5, ...overrides };
}

const MEMBERS: Json = [
  { trainer: 'linear', weight: 0.25, params: { strength: 0.01, l1Ratio: 0 } },
  { trainer: 'gbdt', weight: 0.75, params: { rounds: 20, rowRatio: 0.8 } },
];

describe('several models as one', () => {
  const CASES = [
    { task: 'binary', calibration: { kind: 'isotonic', margins: [-1, 0, 2], values: [-2, 0.5, 1] } },
    { task: 'binary', calibration: { kind: 'platt', slope: 0.8, intercept: 0.1 } },
    { task: 'multiclass', calibration: { kind: 'temperature', factor: 0.7 } },
    { task: 'regression', calibration: undefined },
  ] as const;

  test.each(CASES)(
    'LE3 LE7 $task: an ensemble agrees with its graph, and its params and seed give its bytes again',
    async ({ task, calibration }) => {
      const params = { members: MEMBERS, ...(calibration ? { calibration: calibration as unknown as Json } : {}) };
      const model = await train(requestFor(task, 300, { fixed: { trainer: 'ensemble', params }, threads: 2 }));
      assert.equal(model.trainer, 'ensemble');
      const { trainer: ours, graph } = await compareWithGraph(model.fitted, contract, makeRows(500, 9).frame);
      assert.ok(maxParityError(ours.probabilities ?? ours.values ?? [], graph.probabilities ?? graph.values ?? [], task).passed);
      const again = await train(
        requestFor(task, 300, { fixed: { trainer: 'ensemble', params: JSON.parse(JSON.stringify(model.params)) } }),
      );
      assert.deepEqual(again.bytes, model.bytes);
      assert.deepEqual(again.params, model.params);
      assert.deepEqual(completeParams('ensemble', model.params), model.params);
    },
  );

  test('LE7 what a search makes of several candidates is given by its params and the seed', { timeout: 120_000 }, async () => {
    // With one output, trees that begin from a linear model are what made these rows, and need no company.
    const request = requestFor('multiclass', 800, { seconds: 60, threads: 2 });
    const found = await train(request);
    assert.equal(found.trainer, 'ensemble');
    assert.deepEqual(
      [found.selection.candidate, found.leaderboard[0]?.trainer, found.leaderboard[0]?.chosen],
      ['ensemble', 'ensemble', true],
    );
    const best = found.leaderboard.slice(1).filter((entry) => entry.folds === found.leaderboard[0]?.folds);
    assert.ok(best.every((entry) => (found.leaderboard[0]?.scores['log_loss'] ?? 1) < (entry.scores['log_loss'] ?? 0)));
    assert.ok(found.leaderboard.every((entry) => entry.latencyUs > 0 && entry.folds > 0));
    const { seconds: _, ...rest } = request;
    const again = await train({ ...rest, fixed: { trainer: found.trainer, params: found.params } });
    assert.deepEqual(again.bytes, found.bytes);
  });

  test('what is no ensemble is refused by name', () => {
    const refused = (params: Record<string, unknown>, reason: RegExp) => assert.throws(() => completeParams('ensemble', params), reason);
    refused({}, /2 to 4 members/);
    refused({ members: [{ trainer: 'gbdt', weight: 1, params: {} }] }, /2 to 4 members/);
    refused(
      {
        members: [
          { trainer: 'gbdt', weight: 0.5, params: {} },
          { trainer: 'forest', weight: 0.5, params: {} },
        ],
      },
      /Member 2 .* no trainer/,
    );
    refused(
      {
        members: [
          { trainer: 'gbdt', weight: 0.5, params: {} },
          { trainer: 'gbdt', weight: 0.4, params: {} },
        ],
      },
      /add up to/,
    );
    refused({ members: MEMBERS, rounds: 3 }, /no "rounds"/);
    assert.throws(() => completeParams('gbdt', { calibration: { kind: 'platt', slope: -1, intercept: 0 } }), TrainRequestError);
    assert.throws(() => completeParams('gbdt', { calibration: { kind: 'isotonic', margins: [0, 0], values: [1, 2] } }), TrainRequestError);
    assert.deepEqual(completeParams('linear', {}), { interactions: 0, strength: 1e-3, l1Ratio: 0 });
  });
});

describe('LE22 a search that is begun again goes on where it was', () => {
  function memoryCheckpoint(): SearchCheckpoint & { readonly saved: Map<string, Uint8Array>; readonly repeated: string[]; loads: number } {
    const saved = new Map<string, Uint8Array>();
    const repeated: string[] = [];
    return {
      saved,
      repeated,
      loads: 0,
      async load(key) {
        const found = saved.get(key);
        if (found) this.loads += 1;
        return found;
      },
      async save(key, bytes) {
        if (saved.has(key)) repeated.push(key);
        saved.set(key, Uint8Array.from(bytes));
      },
    };
  }

  test('no finished evaluation is repeated, and the model is the one of a search without a break', { timeout: 60_000 }, async () => {
    const request = requestFor('binary', 200, { seconds: 600, threads: 2 });
    const whole = await train(request);
    const checkpoint = memoryCheckpoint();
    const save = checkpoint.save.bind(checkpoint);
    const abort = new AbortController();
    checkpoint.save = async (key, bytes) => {
      await save(key, bytes);
      if (checkpoint.saved.size === 40) abort.abort();
    };
    await assert.rejects(train({ ...request, checkpoint, signal: abort.signal }), TrainingCancelledError);
    const finished = checkpoint.saved.size;
    assert.ok(finished >= 40);
    const resumed = await train({ ...request, checkpoint });
    assert.equal(checkpoint.loads, finished);
    assert.deepEqual(checkpoint.repeated, []);
    assert.deepEqual(resumed.bytes, whole.bytes);
    assert.deepEqual(resumed.params, whole.params);
    // Control: damaged notes are not believed, and computed again.
    for (const key of checkpoint.saved.keys()) checkpoint.saved.set(key, Uint8Array.of(1, 2, 3));
    assert.deepEqual((await train({ ...request, checkpoint })).bytes, whole.bytes);
    assert.ok(checkpoint.repeated.length > 0);
  });
});

describe('LE23 a model that later rows will judge', () => {
  const DAY = 86_400_000;
  const timed = Contract.parse({
    format: 'slipway.contract/1',
    fields: [
      { name: 'when', type: 'timestamp', role: 'time', nullable: true },
      { name: 'x', type: 'float64', role: 'numeric', nullable: true },
    ],
  });

  test('learns how the level changed but no single days, and agrees with its graph', async () => {
    const random = createRandom(4);
    const rowCount = 2_000;
    const day = Float64Array.from({ length: rowCount }, (_, row) => Math.floor(row / 20));
    // Every day has a level of its own that says nothing about the next one; from day 50 on all are higher.
    // The last one is an odd day.
    const levels = Array.from({ length: 100 }, (_, index) => (index === 99 ? 32 : 3 * random.normal() + (index >= 50 ? 20 : 0)));
    const x = Float64Array.from({ length: rowCount }, () => random.normal());
    const target = x.map((value, row) => value + (levels[day[row] as number] as number));
    const columns = new Map([
      ['when', { kind: 'number' as const, values: day.map((each) => 1.6e12 + each * DAY) }],
      ['x', { kind: 'number' as const, values: x }],
    ]);
    const request: TrainRequest = {
      frame: { rowCount, columns },
      contract: timed,
      task: 'regression',
      target,
      classes: null,
      seed: 1,
      fixed: { trainer: 'gbdt', params: { rounds: 60 } },
    };
    const errorOf = async (more: Partial<TrainRequest>) => {
      const model = await train({ ...request, ...more });
      const later = {
        rowCount: 200,
        columns: new Map(
          [...columns].map(([name, column]) => [
            name,
            { ...column, values: column.values.slice(-200).map((value) => (name === 'when' ? value + 30 * DAY : value)) },
          ]),
        ),
      };
      const { trainer: ours, graph } = await compareWithGraph(model.fitted, timed, later);
      assert.ok(maxParityError(ours.values ?? [], graph.values ?? [], 'regression').passed);
      // What may be expected of the days to come: x on the higher level.
      return Math.sqrt(
        (ours.values ?? new Float64Array(0)).reduce(
          (sum, value, row) => sum + (value - 20 - (later.columns.get('x')?.values[row] as number)) ** 2,
          0,
        ) / 200,
      );
    };
    const coarse = await errorOf({ timeField: 'when' });
    assert.ok(coarse < 5, String(coarse));
    assert.ok((await errorOf({})) > 2 * coarse);
  });
});
