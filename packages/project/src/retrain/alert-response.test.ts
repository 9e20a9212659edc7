import assert from 'node:assert/strict';
import { test } from 'vitest';
import type { AttemptStatus } from './contract.ts';
import { responseTo } from './alert-response.ts';

const at = (hour: number) => Date.UTC(2026, 0, 1, hour);
const alert = (fromHour: number, toHour?: number) => ({
  firstSeen: new Date(at(fromHour)).toISOString(),
  resolvedAt: toHour === undefined ? null : new Date(at(toHour)).toISOString(),
});
const attempt = (status: AttemptStatus, fromHour: number, toHour: number | null, reason: string | null = null) => ({
  status,
  trigger: { kind: 'drift' as const, reason: 'x drifted', evidence: null },
  reason,
  run: status === 'skipped' ? null : 'run_1',
  revision: status === 'promoted' || status === 'rolled-back' ? 2 : null,
  atMs: at(fromHour),
  lastAtMs: at(toHour ?? fromHour),
  endedAtMs: toHour === null ? null : at(toHour),
});
const policy = {
  on: [
    { kind: 'drift' as const, window: '7d' },
    { kind: 'new-data' as const, rows: 500 },
  ],
};

test('an alert names the retraining that ran while it was open, however it ended, and no other', () => {
  assert.match(
    responseTo('r', policy, [attempt('running', 5, null)], alert(3))?.message ?? '',
    /^being trained again, by itself \(x drifted\)/,
  );
  const promoted = responseTo('r', policy, [attempt('promoted', 5, 6)], alert(3, 8));
  assert.deepEqual([promoted?.run, promoted?.status], ['run_1', 'promoted']);
  assert.match(promoted?.message ?? '', /revision 2 took over/);
  assert.match(responseTo('r', policy, [attempt('refused', 5, 6, 'too few rows')], alert(3))?.message ?? '', /was refused: too few rows/);
  assert.equal(responseTo('r', policy, [attempt('promoted', 5, 6)], alert(7))?.run, null, 'it ended before the alert');
  assert.equal(responseTo('r', policy, [attempt('promoted', 9, 10)], alert(3, 8)), null, 'it began after the alert was over');
});

test('a run says more than a trigger that was not followed, which says what it waits for', () => {
  const skipped = attempt('skipped', 4, 7, 'cool-down of 5d');
  assert.match(
    responseTo('r', policy, [skipped], alert(3))?.message ?? '',
    /not trained again yet: cool-down of 5d; at once: slipway retrain r/,
  );
  assert.equal(responseTo('r', policy, [skipped, attempt('refused', 5, 6)], alert(3))?.status, 'refused');
  const justAfter = { ...alert(7), firstSeen: new Date(at(7) + 30_000).toISOString() };
  assert.equal(responseTo('r', policy, [skipped], justAfter)?.status, 'skipped', 'it was asked about half a minute before');
  assert.equal(responseTo('r', policy, [skipped], alert(8))?.status, null);
  const off = responseTo('r', null, [skipped], alert(3));
  assert.match(off?.message ?? '', /^train again: slipway retrain r/, 'nothing waits once the policy is off');
  assert.equal(responseTo('r', { on: [] }, [skipped], alert(3))?.status, null);
});

test('without a retraining it says what will start one, or how to', () => {
  assert.match(
    responseTo('r', policy, [], alert(3))?.message ?? '',
    /by itself on drift, 500 new labelled calls; at once: slipway retrain r/,
  );
  assert.match(responseTo('r', null, [], alert(3))?.message ?? '', /train again: slipway retrain r/);
  assert.equal(responseTo('r', null, [], alert(3, 4)), null);
});
