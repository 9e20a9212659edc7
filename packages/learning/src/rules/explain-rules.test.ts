/* oxlint-disable unicorn/no-thenable -- `then` is what a rule answers, never a function */
import assert from 'node:assert/strict';
import { Contract, ExplainOptions, frameFromRows, type Row } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { describe, test } from 'vitest';
import { ExplainRequestError } from '../errors.ts';
import { train } from '../train.ts';
import { RulesExplainer } from './explain-rules.ts';
import type { TrainedRules } from './train-rules.ts';

const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: [
    { name: 'age', type: 'float64', role: 'numeric', nullable: true },
    { name: 'income', type: 'float64', role: 'numeric', nullable: true },
    { name: 'plan', type: 'string', role: 'categorical', nullable: true },
    { name: 'y', type: 'string', role: 'target', nullable: true },
  ],
});

const RULES = [
  { name: 'minors', when: { age: { below: 18 } }, then: 'no' },
  {
    when: { $all: [{ plan: 'x' }, { $any: [{ age: { atLeast: 60 } }, { income: { above: 90 } }] }], income: { atMost: 200 } },
    then: 'yes',
  },
  { name: 'rich', when: { income: { above: 50 } }, then: 'yes' },
];

function rowsOf(count: number, seed: string): Row[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => ({
    age: random.next() < 0.1 ? null : random.int(90),
    income: random.int(120),
    plan: ['x', 'y', null][random.int(3)],
  }));
}

const ROWS = rowsOf(400, 'rules');

async function made() {
  const target = Float64Array.from(ROWS, (row) => (Number(row['income']) > 50 ? 1 : 0));
  const frame = frameFromRows(contract, ROWS);
  const params = { rules: RULES, otherwise: 'no' } as never;
  const model = (await train({
    frame,
    contract,
    task: 'binary',
    target,
    classes: ['no', 'yes'],
    seed: 1,
    fixed: { trainer: 'rules', params },
  })) as TrainedRules;
  const explainer = new RulesExplainer({ contract: model.contract, params: model.params, facts: JSON.parse(JSON.stringify(model.rules)) });
  const explain = (row: Row, options: object = {}) => {
    const { labels, probabilities } = model.predict(frameFromRows(contract, [row]));
    const answer = { prediction: labels?.[0] ?? '', probabilities: { no: probabilities?.[0] ?? 0, yes: probabilities?.[1] ?? 0 } };
    return { answer, explanation: explainer.explain(row, answer, ExplainOptions.parse(options)) };
  };
  return { explain, model };
}

describe('an explained decision table', () => {
  test('LR7 names the rule that decided with its share of the training rows, and what kept the nearest from it', async () => {
    const { explain } = await made();
    const { explanation } = explain({ age: 40, income: 30, plan: 'x' });
    const { decided, near } = explanation.rules ?? assert.fail();
    assert.deepEqual([decided.rule, decided.condition, decided.then, decided.failed], [null, 'otherwise', 'no', []]);
    assert.equal(near.length, 3);
    // Nearest first, in the order of the table among equals; each says only what fails.
    assert.deepEqual(
      near.map(({ rule, failed }) => [rule, failed.map(({ values }) => values)]),
      [
        [1, [{ age: 40 }]],
        [2, [{ age: 40, income: 30 }]],
        [3, [{ income: 30 }]],
      ],
    );
    assert.match(near[1]?.failed[0]?.condition ?? '', /age >= 60 or income > 90/);
  });

  test('LR7 a rule that holds too but stands later fails in nothing', async () => {
    const { explain } = await made();
    const { explanation } = explain({ age: 10, income: 80, plan: 'y' });
    assert.equal(explanation.rules?.decided.name, 'minors');
    assert.deepEqual(explanation.rules?.near[0]?.rule, 3);
    assert.deepEqual(explanation.rules?.near[0]?.failed, []);
  });

  test('LR7 over many rows the rule that is named gave the answer, and the shares are those of the training rows', async () => {
    const { explain } = await made();
    const counts = new Map<number | null, number>();
    for (const row of ROWS) {
      const { answer, explanation } = explain(row);
      const { decided, near } = explanation.rules ?? assert.fail();
      assert.equal(decided.then, answer.prediction);
      assert.equal(explanation.margin, answer.probabilities[answer.prediction as 'yes']);
      // No rule before the one that decided holds.
      for (const each of near) if (each.rule !== null && each.rule < (decided.rule ?? 9)) assert.ok(each.failed.length > 0);
      counts.set(decided.rule, (counts.get(decided.rule) ?? 0) + 1);
    }
    for (const row of ROWS.slice(0, 50)) {
      const { decided } = explain(row).explanation.rules ?? assert.fail();
      assert.equal(decided.share, (counts.get(decided.rule) ?? 0) / ROWS.length);
    }
  });

  test('LR7 a class that is none is refused', async () => {
    const { explain } = await made();
    assert.throws(() => explain({ age: 1 }, { class: 'maybe' }), ExplainRequestError);
  });
});
