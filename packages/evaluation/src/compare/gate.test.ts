import assert from 'node:assert/strict';
import { test } from 'vitest';
import { Comparison } from './contract.ts';
import { decideChampion } from './gate.ts';

const compared = (value: number, low: number, high: number, overlap: 'none' | 'possible' = 'none') =>
  Comparison.parse({
    champion: { version: 'mv_1', release: 'churn', revision: 1 },
    rows: 200,
    overlap,
    metrics: [{ metric: 'roc_auc', candidate: 0.8, champion: 0.8 - value, improvement: { value, low, high } }],
    deLong: null,
    mcNemar: null,
    changed: 0.1,
    primary: 'roc_auc',
    verdict: 'no-difference-shown',
    notes: [],
  });
const gate = (require: 'no-worse' | 'better') => ({ kind: 'champion' as const, margin: 0.02, require });

test('no worse asks for the whole interval above minus the margin, better for one above zero', () => {
  assert.equal(decideChampion(gate('no-worse'), compared(0, -0.02, 0.02)).passed, true);
  assert.equal(decideChampion(gate('no-worse'), compared(0.01, -0.021, 0.04)).passed, false);
  assert.equal(decideChampion(gate('better'), compared(0.01, 0, 0.02)).passed, false);
  assert.equal(decideChampion(gate('better'), compared(0.01, 0.001, 0.02)).passed, true);
});

test('rows that the live version may have learnt from, and no live version at all, prove nothing', () => {
  assert.match(decideChampion(gate('no-worse'), compared(0.3, 0.2, 0.4, 'possible')).message, /may have learnt from some of the 200 rows/);
  assert.equal(decideChampion(gate('no-worse'), compared(0.3, 0.2, 0.4, 'possible')).passed, false);
  assert.equal(decideChampion(gate('no-worse'), null).passed, false);
});

test('a refusal for noise names the rows it would take, one for being worse does not', () => {
  const noise = decideChampion(gate('no-worse'), compared(0.005, -0.035, 0.045));
  assert.match(noise.message, /not shown to be within 0.02. The live version stays. About 1600 rows to judge by would show it/);
  const worse = decideChampion(gate('no-worse'), compared(-0.06, -0.1, -0.02));
  assert.match(worse.message, /More rows to judge by would hardly change that/);
});
