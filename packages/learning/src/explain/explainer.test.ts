import assert from 'node:assert/strict';
import { type Call, Contract, ExplainOptions, type Frame, type Row, type Servable, textColumn } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { afterAll, beforeAll, describe, test } from 'vitest';
import type { Predictor } from '../fitted-model.ts';
import { train, type TrainedModel, type TrainRequest } from '../train.ts';
import { type BuildRequest, buildExplainer } from './build-explainer.ts';
import { ExplainThread } from './explain-thread.ts';
import { explainableModels } from './explainable-models.ts';
import { packExplainer, unpackExplainer } from './explainer-data.ts';
import { Explainer } from './explainer.ts';

const ROWS = 600;
const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: [
    { name: 'income', type: 'float64', role: 'numeric', nullable: true, expect: { minimum: 0 } },
    { name: 'age', type: 'int64', role: 'numeric', nullable: false },
    { name: 'plan', type: 'string', role: 'categorical', nullable: true },
    { name: 'when', type: 'timestamp', role: 'time', nullable: true },
  ],
});

/** Approved when the income is high for the plan, whatever the age; a fifth of the incomes is missing. */
function makeTable(): { frame: Frame; rows: Row[]; approved: Float64Array; amount: Float64Array; grade: Float64Array } {
  const random = createRandom('explainer-test');
  const rows = Array.from({ length: ROWS }, (): Row => ({
    income: random.next() < 0.1 ? null : Math.round(20 + 60 * random.next()),
    age: 18 + random.int(60),
    plan: random.next() < 0.05 ? null : (['basic', 'plus', 'pro'][random.int(3)] as string),
    when: Date.UTC(2026, 0, 1) + random.int(300) * 86_400_000,
  }));
  const score = (row: Row) => ((row['income'] as number | null) ?? 35) + (row['plan'] === 'pro' ? 15 : 0);
  return {
    rows,
    frame: {
      rowCount: ROWS,
      columns: new Map([
        ['income', { kind: 'number', values: Float64Array.from(rows, (row) => (row['income'] as number | null) ?? Number.NaN) }],
        ['age', { kind: 'number', values: Float64Array.from(rows, (row) => row['age'] as number) }],
        ['plan', textColumn(rows.map((row) => row['plan'] as string | null))],
        ['when', { kind: 'number', values: Float64Array.from(rows, (row) => row['when'] as number) }],
      ]),
    },
    approved: Float64Array.from(rows, (row) => (score(row) > 55 ? 1 : 0)),
    amount: Float64Array.from(rows, (row) => 100 * score(row) + (row['age'] as number)),
    grade: Float64Array.from(rows, (row) => (score(row) > 65 ? 2 : score(row) > 45 ? 1 : 0)),
  };
}

const table = makeTable();
const options = (wishes: object = {}) => ExplainOptions.parse(wishes);
const even = { threshold: 0.5 };

async function fit(
  wishes: Partial<TrainRequest> & Pick<TrainRequest, 'task' | 'target' | 'classes'>,
  trainer: 'gbdt' | 'linear',
): Promise<TrainedModel> {
  const params = trainer === 'gbdt' ? { rounds: 40, leafLimit: 8 } : {};
  return train({ frame: table.frame, contract, seed: 1, fixed: { trainer, params }, ...wishes });
}

function requestFor(model: TrainedModel, target: Float64Array, wishes: Partial<BuildRequest> = {}): BuildRequest {
  return {
    fitted: model.fitted,
    contract: model.contract,
    frame: table.frame,
    rows: Int32Array.from({ length: ROWS }, (_, row) => row),
    target,
    immutable: [],
    hasSubject: false,
    seed: 1,
    ...wishes,
  };
}

/** A model, packed and opened again as a server would. */
const openExplainer = (model: TrainedModel, target: Float64Array, wishes: Partial<BuildRequest> = {}) =>
  new Explainer(unpackExplainer(packExplainer(buildExplainer(requestFor(model, target, wishes)))));

let trees: TrainedModel;
let linear: TrainedModel;
const binary = { task: 'binary', target: table.approved, classes: ['no', 'yes'] } as const;

beforeAll(async () => {
  trees = await fit(binary, 'gbdt');
  linear = await fit(binary, 'linear');
}, 60_000);

describe('contributions', () => {
  const sample = table.rows.slice(0, 40);
  const sumOf = (explanation: { base: number; rest: number; contributions: readonly { contribution: number }[] }) =>
    explanation.contributions.reduce((sum, each) => sum + each.contribution, explanation.base + explanation.rest);

  test.each(['path-dependent', 'interventional'] as const)(
    '%s: trees, linear models and their ensembles add up to the margin',
    (method) => {
      const members = [trees, linear].map((model, at) => {
        const { predictor } = model.fitted;
        assert.ok(predictor.kind !== 'ensemble');
        return { weight: at === 0 ? 0.7 : 0.3, predictor };
      });
      const predictor: Predictor = { kind: 'ensemble', members };
      const ensemble: TrainedModel = { ...trees, fitted: { ...trees.fitted, predictor } };
      for (const model of [trees, linear, ensemble]) {
        const explainer = openExplainer(model, table.approved);
        const labels = model.predict(table.frame).labels ?? [];
        explainer.explain(sample, options({ method, top: 2 }), even).forEach(({ explanation }, row) => {
          assert.ok(Math.abs(sumOf(explanation) - explanation.margin) < 1e-9);
          assert.equal(explanation.contributions.length, 2);
          assert.equal(explanation.space, 'log-odds');
          assert.equal(explanation.output, 'yes');
          assert.equal(explanation.margin > 0, labels[row] === 'yes');
        });
        assert.ok(explainer.data.additivityError < 1e-9);
      }
    },
  );

  test('the fields that decide are named first, and one that does nothing last', () => {
    const explainer = openExplainer(trees, table.approved);
    const { contributions, fields, outputCount } = explainer.contributions(table.frame);
    assert.equal(outputCount, 1);
    const mean = fields.map((_, at) => {
      let sum = 0;
      for (let row = 0; row < ROWS; row += 1) sum += Math.abs(contributions[row * fields.length + at] as number);
      return sum / ROWS;
    });
    const order = fields.map((field, at) => ({ field, mean: mean[at] as number })).toSorted((left, right) => right.mean - left.mean);
    assert.deepEqual(
      order.slice(0, 2).map((each) => each.field),
      ['income', 'plan'],
    );
    assert.deepEqual(explainer.interactions(table.frame)[0]?.fields.toSorted(), ['income', 'plan']);
  });

  test('a number is explained in the unit of the target', async () => {
    const model = await fit({ task: 'regression', target: table.amount, classes: null }, 'gbdt');
    const explainer = openExplainer(model, table.amount);
    const values = model.predict(table.frame).values ?? new Float64Array(0);
    explainer.explain(sample, options(), even).forEach(({ explanation }, row) => {
      assert.equal(explanation.space, 'value');
      assert.equal(explanation.output, null);
      assert.ok(Math.abs(sumOf(explanation) - (values[row] as number)) < 1e-6 * Math.abs(values[row] as number));
    });
  });

  test('of several classes the predicted one is explained, or the one that is asked for', async () => {
    const model = await fit({ task: 'multiclass', target: table.grade, classes: ['a', 'b', 'c'] }, 'gbdt');
    const explainer = openExplainer(model, table.grade);
    const labels = model.predict(table.frame).labels ?? [];
    explainer.explain(sample, options(), even).forEach(({ explanation }, row) => {
      assert.equal(explanation.output, labels[row]);
      assert.ok(Math.abs(sumOf(explanation) - explanation.margin) < 1e-9);
    });
    assert.equal(explainer.explain(sample.slice(0, 1), options({ class: 'a' }), even)[0]?.explanation.output, 'a');
    assert.throws(() => explainer.explain(sample.slice(0, 1), options({ class: 'z' }), even), /no class "z"/);
  });
});

describe('counterfactuals', () => {
  const refused = () => table.rows.find((row, at) => table.approved[at] === 0 && row['plan'] === 'basic' && row['income'] !== null) as Row;

  test('they change the decision with few fields, within the contract, and not further than needed', () => {
    const explainer = openExplainer(trees, table.approved);
    const [draft] = explainer.explain([refused()], options({ counterfactuals: 3 }), even);
    assert.ok(draft && draft.found.length > 0);
    assert.equal(draft.found[0]?.changes.length, 1);
    for (const { row, changes } of draft.found) {
      assert.ok(changes.every((change) => change.field !== 'when'));
      assert.ok(Number(row['income']) >= 0);
      const [again] = explainer.explain([row], options(), even);
      assert.ok((again?.explanation.margin ?? -1) > 0);
    }
    const raised = draft.found.find((each) => each.changes.length === 1 && each.changes[0]?.field === 'income');
    assert.ok(raised && Number(raised.row['income']) <= 60, 'the income is raised to about the bound of 55, not to the most there is');
  });

  test('immutable fields are never changed, neither the version`s nor the caller`s', () => {
    const explainer = openExplainer(trees, table.approved, { immutable: ['income'] });
    const free = explainer.explain([refused()], options({ counterfactuals: 5 }), even)[0]?.found ?? [];
    assert.ok(free.every((each) => each.changes.every((change) => change.field !== 'income')));
    const none = explainer.explain([refused()], options({ counterfactuals: 5, immutable: ['plan', 'age'] }), even)[0];
    assert.deepEqual(none?.found, []);
  });

  test('a number needs a bound, and meets it', async () => {
    const model = await fit({ task: 'regression', target: table.amount, classes: null }, 'gbdt');
    const explainer = openExplainer(model, table.amount);
    const row = refused();
    assert.match(explainer.explain([row], options({ counterfactuals: 1 }), even)[0]?.explanation.notes?.[0] ?? '', /atLeast/);
    const [found] = explainer.explain([row], options({ counterfactuals: 1, wanted: { atLeast: 6_000 } }), even)[0]?.found ?? [];
    assert.ok(found);
    assert.ok((explainer.explain([found.row], options(), even)[0]?.explanation.margin ?? 0) >= 6_000);
  });
});

describe('training rows', () => {
  test('a training row is its own nearest example', () => {
    const explainer = openExplainer(trees, table.approved);
    const [draft] = explainer.explain([table.rows[17] as Row], options({ neighbours: 3 }), even);
    const [nearest] = draft?.explanation.neighbours ?? [];
    assert.ok(nearest && nearest.distance < 1e-9);
    assert.equal(nearest.target, table.approved[17] === 1 ? 'yes' : 'no');
  });

  test('no row of anybody is kept when the data says whose rows they are', () => {
    const explainer = openExplainer(trees, table.approved, { hasSubject: true });
    assert.equal(explainer.data.examples, null);
    assert.equal(explainer.data.backgroundKind, 'shuffled');
    const { background } = explainer.data;
    const width = background.width;
    const encoded = new Set(
      Array.from({ length: ROWS }, (_, row) => {
        const { columns } = table.frame;
        return ['income', 'age', 'when'].map((name) => (columns.get(name) as { values: Float64Array }).values[row]).join();
      }),
    );
    for (let row = 0; row < background.rowCount; row += 1)
      assert.ok(!encoded.has(Array.from(background.values.subarray(row * width, row * width + 3)).join()));
    const [draft] = explainer.explain([table.rows[0] as Row], options({ neighbours: 2 }), even);
    assert.deepEqual(draft?.explanation.neighbours, []);
    assert.match(draft?.explanation.notes?.join() ?? '', /whose rows/);
  });
});

describe('a served version', () => {
  const thread = new ExplainThread();
  afterAll(() => thread.close());
  const version = { id: 'mv_1', kind: 'model', name: 'm', recipe: 'r', content: 'c' } as const;
  const context = { invocation: 'inv_1', principal: { id: 'p' } } as Call<unknown>['context'];

  /** Serves the trainer's own outputs; `refuses` makes it say no to everything. */
  function serve(refuses = false): Servable {
    return {
      version,
      input: trees.contract,
      output: trees.contract,
      invoke: async (calls) =>
        calls.map(({ input }) => {
          const [draft] = new Explainer(buildExplainer(requestFor(trees, table.approved))).explain([input as Row], options(), even);
          const margin = draft?.explanation.margin ?? 0;
          return {
            status: 'ok',
            output: { prediction: margin > 0 && !refuses ? 'yes' : 'no', probabilities: { yes: 1 / (1 + Math.exp(-margin)) } },
          };
        }),
    };
  }

  const load = async (servable: Servable, meta: object, bytes: Uint8Array) =>
    explainableModels(
      { kind: 'model', load: async () => servable },
      {
        thread,
        catalog: { get: async () => ({ meta }) },
        objects: { read: async () => bytes },
      },
    ).load('prj', version);

  test('explains on its thread, and gives only counterfactuals that the served version confirms', async () => {
    const { bytes, facts } = await thread.build(requestFor(trees, table.approved, { immutable: ['age'] }));
    assert.deepEqual(facts.immutable, ['age']);
    const row = table.rows.find((each, at) => table.approved[at] === 0 && each['plan'] === 'basic' && each['income'] !== null) as Row;
    const calls = [{ input: row, context }];
    const served = await load(serve(), { explainer: 'sha-1' }, bytes);
    const [explanation] = (await served.explain?.(calls, options({ counterfactuals: 2, neighbours: 1 }))) ?? [];
    assert.ok(explanation?.counterfactuals && explanation.counterfactuals.length > 0);
    assert.ok(explanation.counterfactuals.every((each) => each.prediction === 'yes'));
    const stubborn = await load(serve(true), { explainer: 'sha-1' }, bytes);
    const [refused] = (await stubborn.explain?.(calls, options({ counterfactuals: 2 }))) ?? [];
    assert.deepEqual(refused?.counterfactuals, []);
    assert.match(refused.notes?.[0] ?? '', /No change/);
  });

  test('a version without an explainer says so', async () => {
    const served = await load(serve(), {}, new Uint8Array(0));
    await assert.rejects(async () => served.explain?.([{ input: table.rows[0], context }], options()), /no explainer/);
  });

  test('bytes that are no explainer are refused', async () => {
    const served = await load(serve(), { explainer: 'sha-2' }, new TextEncoder().encode('nonsense'));
    await assert.rejects(async () => served.explain?.([{ input: table.rows[0], context }], options()), /cannot be read/);
  });
});

test('of a free text the words that decide are named', async () => {
  const random = createRandom('words');
  const words = ['please', 'call', 'meeting', 'tomorrow', 'thanks', 'report', 'lunch', 'friend'];
  const texts = Array.from({ length: 400 }, (_, row) => {
    const chosen = Array.from({ length: 6 }, () => words[random.int(words.length)] as string);
    // As many words either way: their number shall not decide.
    return [...chosen, row % 2 === 0 ? 'winner prize' : 'agenda today'].join(' ');
  });
  const target = Float64Array.from(texts, (_, row) => (row % 2 === 0 ? 1 : 0));
  const textContract = Contract.parse({
    format: 'slipway.contract/1',
    fields: [{ name: 'message', type: 'string', role: 'text', nullable: true }],
  });
  const frame: Frame = { rowCount: texts.length, columns: new Map([['message', textColumn(texts)]]) };
  const model = await train({
    frame,
    contract: textContract,
    task: 'binary',
    target,
    classes: ['ham', 'spam'],
    seed: 1,
    fixed: { trainer: 'linear', params: {} },
  });
  const rows = Int32Array.from(texts, (_, row) => row);
  const explainer = new Explainer(
    buildExplainer({ fitted: model.fitted, contract: model.contract, frame, rows, target, immutable: [], hasSubject: false, seed: 1 }),
  );
  const [draft] = explainer.explain([{ message: 'please call the winner of the prize' }], options(), even);
  const effects = draft?.explanation.contributions[0]?.words ?? [];
  // Other words thin these out, which speaks against the class.
  const raising = effects.filter(({ effect }) => effect > 0).slice(0, 2);
  assert.deepEqual(raising.map((each) => each.word).toSorted(), ['prize', 'winner']);
});

test('texts of several classes are explained exactly, by a linear model and by trees', async () => {
  const random = createRandom('classes');
  const topics = ['card', 'transfer', 'rate'];
  const fill = ['the', 'my', 'please', 'today', 'again', 'about'];
  const texts = Array.from({ length: 300 }, (_, row) =>
    [topics[row % 3], ...Array.from({ length: 5 }, () => fill[random.int(fill.length)])].join(' '),
  );
  const target = Float64Array.from(texts, (_, row) => row % 3);
  const frame: Frame = { rowCount: texts.length, columns: new Map([['message', textColumn(texts)]]) };
  const messages = Contract.parse({
    format: 'slipway.contract/1',
    fields: [{ name: 'message', type: 'string', role: 'text', nullable: true }],
  });
  for (const trainer of ['linear', 'gbdt'] as const) {
    const params = trainer === 'gbdt' ? { rounds: 10 } : {};
    const model = await train({
      frame,
      contract: messages,
      task: 'multiclass',
      target,
      classes: topics,
      seed: 1,
      fixed: { trainer, params },
    });
    const rows = Int32Array.from(texts, (_, row) => row);
    const data = buildExplainer({
      fitted: model.fitted,
      contract: model.contract,
      frame,
      rows,
      target,
      immutable: [],
      hasSubject: false,
      seed: 1,
    });
    assert.ok(data.additivityError < 1e-9, `${trainer}: ${data.additivityError}`);
    const [draft] = new Explainer(data).explain([{ message: 'about my transfer' }], options({ neighbours: 1 }), even);
    assert.equal(draft?.explanation.output, 'transfer');
    assert.equal(draft.explanation.neighbours?.[0]?.target, 'transfer');
  }
}, 60_000);
