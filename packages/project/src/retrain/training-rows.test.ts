import assert from 'node:assert/strict';
import { type Contract, type Field, Contract as ContractShape } from '@slipway/kernel';
import type { LabelledRow } from '@slipway/telemetry';
import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { LaunchDefinition } from '../contract.ts';
import { heldBackFrom, labelOf, subjectColumn, trainingRows, widenContract } from './training-rows.ts';

const field = (name: string, type: Field['type'], role: Field['role'], more: Partial<Field> = {}) => ({
  name,
  type,
  role,
  nullable: false,
  ...more,
});
const contract: Contract = ContractShape.parse({
  format: 'slipway.contract/1',
  fields: [
    field('x', 'float64', 'numeric', { expect: { minimum: 0, maximum: 1, missingRatioMax: 0.1 } }),
    field('colour', 'string', 'categorical', { expect: { allowedValues: ['blue', 'red'] } }),
    field('when', 'timestamp', 'ignored', { nullable: true }),
    field('y', 'string', 'target', { expect: { allowedValues: ['no', 'yes'] } }),
  ],
});
const call = (eventTimeMs: number, changes: Partial<LabelledRow> = {}): LabelledRow => ({
  invocation: `inv_${eventTimeMs}`,
  eventTimeMs,
  subject: null,
  input: { x: 0.5, colour: 'blue' },
  outcome: 'yes',
  ...changes,
});

describe('calls as rows', () => {
  test('a row has every column of the contract, the label as target and the event time where the caller sent none', async () => {
    const given = { x: 2, colour: 'green', when: '2026-01-01T00:00:00.000Z', more: 1 };
    const { rows, leftOut } = await trainingRows([call(0), call(1, { input: given }), call(2, { outcome: null })], contract, {
      target: 'y',
      time: 'when',
      subject: undefined,
    });
    assert.deepEqual(rows, [
      { x: 0.5, colour: 'blue', when: '1970-01-01T00:00:00.000Z', y: 'yes' },
      { x: 2, colour: 'green', when: '2026-01-01T00:00:00.000Z', y: 'yes' },
    ]);
    assert.equal(leftOut, 1);
  });

  test('calls that named a subject bring a column that erasure goes by, under a name that is free', async () => {
    const definition = LaunchDefinition.parse({ name: 'm', dataset: 'd', target: 'y' });
    const calls = [call(1, { subject: 'anna' }), call(2)];
    assert.equal(subjectColumn(definition, contract, [call(1)]), undefined);
    assert.equal(subjectColumn(definition, contract, calls), 'subject');
    assert.equal(subjectColumn(definition, { ...contract, ignored: ['subject'] }, calls), 'call-subject');
    assert.equal(subjectColumn({ ...definition, subject: 'colour' }, contract, calls), 'colour');
    const { rows } = await trainingRows(calls, contract, { target: 'y', time: undefined, subject: 'subject' });
    assert.deepEqual(
      rows.map((row) => row['subject']),
      ['anna', null],
    );
    const wide = widenContract(contract, rows, { target: 'y', subject: 'subject' });
    assert.deepEqual(wide.fields.at(-1), field('subject', 'string', 'identifier', { nullable: true, expect: {}, severity: 'warn' }));
  });

  test('the contract keeps types and roles and is widened by what was seen', async () => {
    const { rows } = await trainingRows([call(1, { input: { x: 7, colour: 'green' } })], contract, {
      target: 'y',
      time: undefined,
      subject: undefined,
    });
    const { fields } = widenContract(contract, rows, { target: 'y', subject: undefined });
    assert.deepEqual(fields[0]?.expect, { minimum: 0, maximum: 7 });
    assert.deepEqual(fields[1]?.expect.allowedValues, ['blue', 'green', 'red']);
    assert.deepEqual(
      fields.map(({ type, role }) => [type, role]),
      contract.fields.map(({ type, role }) => [type, role]),
    );
  });

  test('labels become values of the target’s type, or none', () => {
    const whole = field('y', 'int64', 'target') as Field;
    assert.deepEqual(
      [labelOf('3', whole), labelOf(3, whole), labelOf(3.5, whole), labelOf('', whole), labelOf({}, whole)],
      [3, 3, undefined, undefined, undefined],
    );
    const truth = field('y', 'boolean', 'target') as Field;
    assert.deepEqual([labelOf('True', truth), labelOf(0, truth), labelOf('maybe', truth)], [true, false, undefined]);
    assert.equal(labelOf(1, field('y', 'string', 'target') as Field), '1');
  });

  test('what is held back is the latest share, later than all that was learnt from before, and equal times are not parted', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 60 }),
        fc.double({ min: 0.05, max: 0.5, noNaN: true }),
        fc.integer({ min: -1, max: 35 }),
        (times, share, seen) => {
          const sorted = times.toSorted((left, right) => left - right);
          const cut = heldBackFrom(sorted, share, seen);
          const heldBack = sorted.slice(cut);
          assert.ok(heldBack.length <= Math.max(1, Math.round(sorted.length * share)) || new Set(heldBack).size === 1, 'few, or one time');
          assert.ok(heldBack.length > 0 || sorted.every((time) => time <= seen), 'something to judge by where there is something unseen');
          assert.ok(
            heldBack.every((time) => time > seen),
            'unseen',
          );
          assert.ok(cut === 0 || heldBack.length === 0 || (sorted[cut - 1] as number) < (sorted[cut] as number), 'not parted');
        },
      ),
      { seed: 7, numRuns: 500 },
    );
  });
});
