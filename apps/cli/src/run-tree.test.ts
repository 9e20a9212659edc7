import assert from 'node:assert/strict';
import { createClient } from '@slipway/client';
import { RunPage, type RunReply } from '@slipway/workflows/contract';
import { describe, test } from 'vitest';
import { readRunTree, showRunTree } from './run-tree.ts';

function run(id: string, parent: string | null, more: Partial<RunReply> = {}): RunReply {
  const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
  return {
    id,
    parent,
    workflow: 'project.launch',
    version: 1,
    status: 'succeeded',
    title: `title of ${id}`,
    principal: { id: 'prn_1', label: 'Ada' },
    input: null,
    output: null,
    error: null,
    provenance: null,
    attempt: 1,
    createdAt: at(0),
    startedAt: at(1),
    endedAt: at(3),
    executor: null,
    ...more,
  };
}

/** The client over replies as the server gives them, so that what it asks and how it parses is the real thing. */
function clientOver(runs: readonly RunReply[], pageSize = 50) {
  return createClient({
    url: 'http://127.0.0.1',
    key: 'a-key-that-is-long-enough-to-be-one-0123456789',
    fetch: async (input) => {
      const url = new URL(input instanceof Request ? input.url : input);
      assert.equal(url.pathname, '/v1/runs');
      const items = runs.filter((each) => each.parent === url.searchParams.get('parent')).toReversed();
      const page = { items: items.slice(0, pageSize), nextCursor: items.length > pageSize ? 'more' : null };
      return new Response(JSON.stringify(RunPage.parse(page)), { headers: { 'content-type': 'application/json' } });
    },
  });
}

describe('a run with all that it started', () => {
  const error = {
    code: 'project/gate',
    kind: 'gateFailed',
    message: 'no',
    remedy: 'fix-input',
    details: {},
    requestId: null,
    help: null,
  } as const;
  const top = run('run_1', null, { workflow: 'project.retrain' });
  const runs = [
    top,
    run('run_2', 'run_1'),
    run('run_3', 'run_1', { workflow: 'releases.rollout', status: 'running', endedAt: null }),
    run('run_4', 'run_2', { workflow: 'data.ingest', status: 'failed', error }),
    run('run_9', 'run_8'),
  ];

  test('is shown with what lies below indented, in the order it was started, with times and errors', async () => {
    const tree = await readRunTree(clientOver(runs), top);
    assert.deepEqual(showRunTree(tree), [
      'run_1  project.retrain  succeeded  2.0 s  title of run_1',
      '  run_2  project.launch  succeeded  2.0 s  title of run_2',
      '    run_4  data.ingest  failed  2.0 s  title of run_4',
      '      error[project/gate]: no',
      '  run_3  releases.rollout  running  title of run_3',
    ]);
  });

  test('says so where there is more than is read, in width and in depth', async () => {
    assert.equal((await readRunTree(clientOver(runs, 1), top)).truncated, true);
    const chain = Array.from({ length: 9 }, (_, at) => run(`run_${at}`, at === 0 ? null : `run_${at - 1}`));
    const lines = showRunTree(await readRunTree(clientOver(chain), chain[0] ?? top));
    assert.deepEqual([lines.length, lines.at(-1)?.trim()], [7, '… and more']);
  });
});
