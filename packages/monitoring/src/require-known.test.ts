import { Contract } from '@slipway/kernel';
import { expect, test } from 'vitest';
import { MonitorSettings } from './contract.ts';
import { requireKnown } from './require-known.ts';

const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: [{ name: 'amount', type: 'float64', role: 'numeric', nullable: true, expect: {}, severity: 'warn' }],
  ignored: ['gender'],
});
const check = (settings: object, task: 'binary' | 'regression' | null = 'binary', of: Contract | undefined = contract) =>
  requireKnown(MonitorSettings.parse(settings), { task }, of);

test('MO98 names that would watch nothing are refused with the nearest one that does; known ones are taken (the control)', () => {
  check({
    quality: { roc_auc: { atLeast: 0.8 } },
    groups: ['gender', 'amount'],
    fields: { amount: { drift: 1 }, prediction: { drift: 1 }, 'probability:yes': {} },
  });
  expect(() => MonitorSettings.parse({ quality: { roc_acu: { atLeast: 0.8 } } })).toThrow(/expected a metric; did you mean .*roc_auc/);
  expect(() => MonitorSettings.parse({ quality: { roc_auc: {} } })).toThrow(/expected a bound: atLeast or atMost/);
  expect(() => check({ quality: { rmse: { atMost: 3 } } })).toThrow(/quality.rmse: expected a metric of a binary model \(roc_auc/);
  check({ quality: { rmse: { atMost: 3 } } }, 'regression');
  expect(() => check({ groups: ['gendre'] })).toThrow(/groups: there is no column "gendre"; did you mean "gender"\?/);
  expect(() => check({ fields: { amuont: { drift: 1 } } })).toThrow(/fields.amuont: there is no column "amuont"; did you mean "amount"\?/);
  expect(() => check({ fields: { elsewhere: { drift: 1 } } })).toThrow(/there are amount, prediction/);
  // Nothing is known of what it takes or predicts: nothing is refused.
  requireKnown(MonitorSettings.parse({ groups: ['x'], quality: { rmse: { atMost: 1 } } }), { task: null }, undefined);
});
