import assert from 'node:assert/strict';
import type { ReleaseDetail } from '@slipway/releases/contract';
import { test } from 'vitest';
import { explainChange } from './show-history.ts';
import { showRelease } from './show-release.ts';

test('a release shows which revision answers what, and how each is run and recorded', () => {
  const revision = { id: 'rev_1', release: 'churn', kind: 'model', parts: {}, recording: 'full' as const, run: null, principal: 'prn_1' };
  const release: ReleaseDetail = {
    id: 'rel_1',
    name: 'churn',
    environment: 'production',
    createdAt: '2026-01-01',
    updatedAt: '2026-01-02',
    traffic: [
      { name: 'candidate', revision: 3, weight: 0.25 },
      { name: 'champion', revision: 1, weight: 0.75 },
    ],
    mirrors: [{ revision: 2, share: 0.5 }],
    revisions: [
      { ...revision, number: 3, version: 'mv_3', createdAt: '2026-01-03', serving: { threads: 2, warmup: false } },
      { ...revision, number: 2, version: 'mv_2', createdAt: '2026-01-02', recording: 'redacted' },
      { ...revision, number: 1, version: 'mv_1', createdAt: '2026-01-01' },
    ],
  };
  const [, , ...lines] = showRelease(release).split('\n');
  assert.match(lines[0] ?? '', /^25 % +3 +mv_3 .* threads=2,warmup=false$/);
  assert.match(lines[1] ?? '', /^shadow +2 +mv_2 .* recording=redacted$/);
  assert.match(lines[2] ?? '', /^75 % +1 +mv_1 +prn_1 +2026-01-01$/);
});

test('a revision that differs in how it is run says so in the history', () => {
  const data = { revision: 2, version: 'mv_1', live: true, reason: null, serving: { maxBatchRows: 64, lanes: 2 } };
  assert.equal(
    explainChange({ type: 'releases.revision.created', data }),
    'revision 2 (mv_1), live at once, run with maxBatchRows=64,lanes=2: launched or applied by hand',
  );
});
