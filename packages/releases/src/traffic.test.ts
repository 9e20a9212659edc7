import assert from 'node:assert/strict';
import { test } from 'vitest';
import { RevisionNotFoundError, RollbackError } from './errors.ts';
import { planRollback } from './release-service.ts';
import { allTrafficOn, chooseArm, liveRevision } from './traffic.ts';

const halves = [
  { name: 'champion', revision: 1, weight: 0.5 },
  { name: 'candidate', revision: 2, weight: 0.5 },
];

test('RL4 a unit meets the same arm every time, whatever the draw', () => {
  for (let unit = 0; unit < 500; unit += 1) {
    const first = chooseArm(halves, 'rel_1', `customer-${unit}`, () => 0);
    assert.equal(
      chooseArm(halves, 'rel_1', `customer-${unit}`, () => 0.999),
      first,
    );
  }
});

test('RL4 arms get their shares of units, and another release divides them otherwise', () => {
  const units = Array.from({ length: 20_000 }, (_, index) => `u${index}`);
  const arms = [
    { name: 'a', revision: 1, weight: 0.9 },
    { name: 'b', revision: 2, weight: 0.1 },
  ];
  const inB = units.filter((unit) => chooseArm(arms, 'rel_1', unit, () => 0).name === 'b').length;
  assert.ok(Math.abs(inB / units.length - 0.1) < 0.01, `share of b was ${inB / units.length}`);
  const moved = units.filter((unit) => chooseArm(halves, 'rel_1', unit, () => 0) !== chooseArm(halves, 'rel_2', unit, () => 0)).length;
  assert.ok(Math.abs(moved / units.length - 0.5) < 0.02, `${moved} of ${units.length} differ`);
});

test('RL4 calls without a unit are spread by the draw', () => {
  assert.equal(chooseArm(halves, 's', undefined, () => 0.49).revision, 1);
  assert.equal(chooseArm(halves, 's', undefined, () => 0.51).revision, 2);
});

test('RL3 a rollback goes to the revision before the live one, or to the one named', () => {
  assert.equal(planRollback(allTrafficOn(3), [3, 2, 1], undefined, 'x'), 2);
  assert.equal(planRollback(allTrafficOn(2), [3, 2, 1], undefined, 'x'), 1);
  assert.equal(planRollback(allTrafficOn(1), [3, 2, 1], 3, 'x'), 3);
  assert.throws(() => planRollback(allTrafficOn(1), [3, 2, 1], undefined, 'x'), RollbackError);
  assert.throws(() => planRollback(allTrafficOn(1), [1], 1, 'x'), RollbackError);
  assert.throws(() => planRollback(allTrafficOn(1), [1], 9, 'x'), RevisionNotFoundError);
  assert.equal(liveRevision(halves), 2, 'of equal weights the newer revision counts as live');
});
