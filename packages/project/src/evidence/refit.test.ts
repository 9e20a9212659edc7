import { Contract, type Frame, textColumn } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { describe, expect, it } from 'vitest';
import { type RefitPlan, Refitter } from './refit.ts';

const ROWS = 400;

function plan(changes: Partial<RefitPlan> = {}): RefitPlan {
  const random = createRandom('refit');
  const values = Float64Array.from({ length: ROWS }, () => random.normal());
  const frame: Frame = {
    rowCount: ROWS,
    columns: new Map([
      ['x', { kind: 'number' as const, values }],
      ['c', textColumn(Array.from({ length: ROWS }, () => ['a', 'b'][random.int(2)] as string))],
    ]),
  };
  const contract = Contract.parse({
    format: 'slipway.contract/1',
    fields: [
      { name: 'x', type: 'float64', role: 'numeric', nullable: true },
      { name: 'c', type: 'string', role: 'categorical', nullable: true },
    ],
  });
  return {
    frame,
    target: values.map((value) => (value > 0 ? 1 : 0)),
    contract,
    task: 'binary',
    classes: ['no', 'yes'],
    trainer: 'gbdt',
    params: { rounds: 10, leafRowsMin: 5 },
    seed: 1,
    test: frame,
    budgetMs: 60_000,
    rowLimit: ROWS,
    nowMs: () => performance.now(),
    signal: new AbortController().signal,
    ...changes,
  };
}

describe('refitting', () => {
  it('teaches a model like the judged one on a sample of its rows', async () => {
    const small = new Refitter(plan({ rowLimit: 200 }));
    expect(small.rows).toHaveLength(200);
    const said = await small.refit(small.target);
    const probabilities = said && 'probabilities' in said ? said.probabilities : new Float64Array(0);
    const right = plan().target.filter((label, row) => ((probabilities[2 * row + 1] ?? 0) > 0.5 ? 1 : 0) === label).length;
    expect(right / ROWS).toBeGreaterThan(0.95);
  });

  it('gives nothing when its time is spent, or when the labels cannot be learnt from', async () => {
    const spent = new Refitter(plan({ budgetMs: 0 }));
    expect(await spent.refit(spent.target)).toBeNull();
    const small = new Refitter(plan());
    expect(await small.refit(new Float64Array(ROWS))).toBeNull();
  });

  it('fails when the launch is cancelled', async () => {
    const controller = new AbortController();
    const small = new Refitter(plan({ signal: controller.signal }));
    controller.abort(new Error('stopped'));
    await expect(small.refit(small.target)).rejects.toThrow('stopped');
  });
});
