import assert from 'node:assert/strict';
import {
  type Call,
  type ExplainOptions,
  ExplainOptions as Options,
  type Explanation,
  InvalidError,
  type Invocation,
  type Principal,
  type Result,
  type Servable,
  compileContract,
} from '@slipway/kernel';
import { describe, test } from 'vitest';
import { explainAnswered, explainInvocation, requireExplainable } from './explain.ts';
import type { Routing } from './routing.ts';
import type { LoadedRevision } from './servable-cache.ts';
import { fakeModel } from './testing/index.ts';

const principal: Principal = { id: 'prn_1', project: 'prj_1', role: 'service', instance: false, label: 'test' };
const version = { id: 'mv_1', kind: 'model', name: 'm', recipe: 'r', content: 'c' } as const;
const options = Options.parse({});

const explanationOf = (x: number): Explanation => ({
  method: 'linear',
  space: 'value',
  output: null,
  base: 0,
  margin: 2 * x,
  contributions: [{ field: 'x', value: x, contribution: 2 * x }],
  rest: 0,
});

const fakeExplain = async (calls: readonly Call<unknown>[], _options: ExplainOptions) =>
  calls.map(({ input }) => explanationOf((input as { x: number }).x));

function load(explain: Servable['explain'] | undefined): LoadedRevision {
  const servable: Servable = { ...fakeModel(version), ...(explain ? { explain } : {}) };
  const revision = {
    id: 'rev_1',
    release: 'm',
    number: 3,
    version: 'mv_1',
    kind: 'model',
    parts: {},
    recording: 'full',
    run: null,
    principal: 'prn_1',
    createdAt: '2026-01-01T00:00:00Z',
  } as const;
  return { revision, servable, validator: compileContract(servable.input), parts: new Map() };
}

const call = (x: number): Call<unknown> => ({
  input: { x },
  context: { invocation: `inv_${x}`, principal, deadlineMs: undefined, signal: undefined, traceparent: undefined, parts: new Map() },
});

describe('answered calls', () => {
  test('RL9 each answer has its own explanation, and a failed one none', async () => {
    const calls = [call(1), call(-1), call(2)];
    const results: Result<unknown>[] = [
      { status: 'ok', output: { prediction: 2 } },
      { status: 'error', error: new InvalidError('no') },
      { status: 'ok', output: { prediction: 4 } },
    ];
    const explained = await explainAnswered(load(fakeExplain), calls, results, options);
    assert.deepEqual(
      explained.map((each) => (each && 'explanation' in each ? each.explanation.margin : undefined)),
      [2, undefined, 4],
    );
  });

  test('RL9 an explanation that fails says why and does not throw', async () => {
    const failing = async () => {
      throw new InvalidError('no explainer here');
    };
    const [explained] = await explainAnswered(load(failing), [call(1)], [{ status: 'ok', output: { prediction: 2 } }], options);
    assert.ok(explained && 'error' in explained);
    assert.match(explained.error.message, /no explainer/);
  });

  test('RL9 a version without explanations refuses before it answers, and so do too many rows', () => {
    assert.throws(() => requireExplainable(load(undefined), 1), /does not explain/);
    assert.throws(() => requireExplainable(load(fakeExplain), 101), /100 rows/);
    requireExplainable(load(fakeExplain), 100);
  });
});

describe('recorded calls', () => {
  const recorded = (more: Partial<Invocation>) =>
    ({ id: 'inv_1', project: 'prj_1', release: 'm', revision: 3, version: 'mv_1', status: 'ok', input: { x: 5 }, ...more }) as Invocation;
  const asked: (string | number)[] = [];
  const routing = {
    load: async (project: string, name: string, number: number) => {
      asked.push(project, name, number);
      return load(fakeExplain);
    },
  } as unknown as Routing;
  const explain = (more: Partial<Invocation>) => explainInvocation(routing, { invocation: recorded(more), principal, options });

  test('RL10 the revision that answered explains its recorded input', async () => {
    assert.equal((await explain({})).margin, 10);
    assert.deepEqual(asked, ['prj_1', 'm', 3]);
  });

  test('RL10 failed calls and those without their input cannot be explained', async () => {
    await assert.rejects(explain({ status: 'error' }), /no answer to explain/);
    await assert.rejects(explain({ status: 'pending' }), /no answer yet/);
    await assert.rejects(explain({ input: null }), /without its input/);
    await assert.rejects(explain({ input: { x: 'text' } }), /contract/);
  });
});
