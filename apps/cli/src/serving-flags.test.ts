import assert from 'node:assert/strict';
import { InvalidError } from '@slipway/kernel';
import { test } from 'vitest';
import { servingOf } from './serving-flags.ts';

test('--serving is read as the settings of a release', () => {
  assert.equal(servingOf(undefined), undefined);
  assert.deepEqual(servingOf('threads=2, lanes=3,lane=worker,batchDelayMs=1.5,warmup=false,provider=cuda'), {
    threads: 2,
    lanes: 3,
    lane: 'worker',
    batchDelayMs: 1.5,
    warmup: false,
    provider: 'cuda',
  });
});

test.each([
  ['thread=2', /no setting "thread"; did you mean "threads"/],
  ['threads=0', /threads/],
  ['threads=', /threads/],
  ['lanes=17', /lanes/],
  ['provider=gpu', /provider/],
  ['maxBatchRows=2000', /maxBatchRows/],
])('--serving %s is refused by name', (text, says) => {
  assert.throws(
    () => servingOf(text),
    (error: unknown) => error instanceof InvalidError && says.test(error.message),
  );
});
