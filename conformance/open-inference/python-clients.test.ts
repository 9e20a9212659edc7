import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { CALL_ROWS_LIMIT } from '@slipway/releases/contract';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { endAll } from '../faults/server-process.ts';
import { type ProtocolServer, expectedOf, rowsOf, startProtocolServer } from './server.ts';

const python = process.env['SLIPWAY_REFERENCE_PYTHON'] ?? 'python3';
const has = (module: string) => spawnSync(python, ['-c', `import ${module}`], { timeout: 60_000 }).status === 0;
const hasTriton = has('tritonclient.grpc, tritonclient.http');
const hasKserve = has('kserve');

if (!hasTriton)
  process.stderr.write("skipped: Triton's clients; `pip install tritonclient[all]`, and SLIPWAY_REFERENCE_PYTHON names that Python\n");
if (!hasKserve) process.stderr.write("skipped: KServe's clients; `pip install kserve`, and SLIPWAY_REFERENCE_PYTHON names that Python\n");

interface Output {
  readonly shape: readonly number[];
  readonly data: readonly unknown[];
}
type Outputs = Readonly<Record<string, Output>>;

async function runPython(script: string, input: unknown): Promise<unknown> {
  const child = spawn(python, [fileURLToPath(new URL(script, import.meta.url))], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(JSON.stringify(input));
  const [[code], stdout, stderr] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

let server: ProtocolServer;

beforeAll(async () => {
  if (hasTriton || hasKserve) server = await startProtocolServer();
});
afterAll(async () => {
  await endAll();
  await server?.remove();
});

async function assertOutputs(name: string, rows: readonly object[], outputs: Outputs): Promise<void> {
  const expected = await expectedOf(server.client, name, rows);
  assert.deepEqual(outputs['prediction']?.data, expected.labels);
  if (outputs['probabilities']) assert.deepEqual(outputs['probabilities'], { shape: [rows.length, 2], data: expected.probabilities });
}

describe.skipIf(!hasTriton)("Triton's clients (needs tritonclient[all]: SLIPWAY_REFERENCE_PYTHON names a Python that has it)", () => {
  interface Seen {
    readonly live: boolean;
    readonly ready: boolean;
    readonly modelReady: boolean;
    readonly versionReady: boolean;
    readonly unloaded: boolean;
    readonly loaded: boolean;
    readonly server: { readonly name: string; readonly extensions: readonly string[] };
    readonly metadata: { readonly inputs: readonly { readonly name: string }[] };
    readonly config: {
      readonly name: string;
      readonly max_batch_size: number;
      readonly input: readonly { readonly name: string; readonly data_type: string; readonly dims: readonly (string | number)[] }[];
    };
    readonly infers: Readonly<Record<string, Outputs & { readonly used: number[][]; readonly version: string }>>;
    readonly statistics: { readonly model_stats: readonly { readonly name: string; readonly inference_count: number | string }[] };
    readonly index:
      | { readonly models: readonly { readonly name: string; readonly state: string }[] }
      | readonly { readonly name: string; readonly state: string }[];
    readonly unloadedError: { readonly message: string } | null;
    readonly errors: Readonly<Record<string, { readonly message: string; readonly status: string } | null>>;
    readonly stream?: readonly { readonly id?: string; readonly data?: readonly unknown[]; readonly error?: string }[];
  }
  let seen: Readonly<Record<'http' | 'grpc', Seen>>;
  beforeAll(async () => {
    seen = (await runPython('triton_clients.py', server.plan)) as typeof seen;
  });

  test.each(['http', 'grpc'] as const)('%s: the server and its models are there, with their signatures', (transport) => {
    const { live, ready, modelReady, versionReady, server: about, metadata, config } = seen[transport];
    assert.deepEqual({ live, ready, modelReady, versionReady }, { live: true, ready: true, modelReady: true, versionReady: true });
    assert.ok(about.extensions.includes('binary_tensor_data'));
    assert.deepEqual([config.name, config.max_batch_size], [server.plan.numeric.name, CALL_ROWS_LIMIT]);
    assert.deepEqual(
      config.input.map(({ name, data_type, dims }) => [name, data_type, dims.map(Number)]),
      server.plan.numeric.fields.map((name) => [name, 'TYPE_FP64', [1]]),
    );
    assert.deepEqual(
      metadata.inputs.map(({ name }) => name),
      ['age', 'plan'],
    );
  });

  test.each(['http', 'grpc'] as const)('%s: numbers of every width and texts are answered as /v1 answers them', async (transport) => {
    const { numeric, mixed } = server.plan;
    const { infers } = seen[transport];
    await assertOutputs('mixed', mixed.rows, infers['mixed'] as Outputs);
    await assertOutputs('numeric', rowsOf(numeric.fields, numeric.rows), infers['columns'] as Outputs);
    for (const datatype of ['FP64', 'FP32', 'FP16']) {
      const outputs = infers[datatype] as Seen['infers'][string];
      await assertOutputs('numeric', rowsOf(numeric.fields, outputs.used), outputs);
    }
    if (transport === 'http') await assertOutputs('mixed', mixed.rows, infers['json'] as Outputs);
    assert.notDeepEqual(infers['FP16']?.used, numeric.rows, 'half precision is really used');
  });

  test.each(['http', 'grpc'] as const)('%s: a named version answers, and the likeliest class alone on request', async (transport) => {
    const { numeric } = server.plan;
    const top = seen[transport].infers['top'];
    const { labels } = await expectedOf(server.client, 'numeric', rowsOf(numeric.fields, numeric.rows));
    assert.equal(top?.version, '1');
    assert.deepEqual(
      top?.['probabilities']?.data.map((entry) => String(entry).split(':')[2]),
      labels,
    );
  });

  test.each(['http', 'grpc'] as const)('%s: every answer is recorded under the id it came with', async (transport) => {
    const invocations = seen[transport].infers['mixed']?.['invocation']?.data ?? [];
    assert.equal(new Set(invocations).size, server.plan.mixed.rows.length);
    const { invocation } = await server.client.invocations.get(String(invocations[1]));
    assert.deepEqual(invocation.input, server.plan.mixed.rows[1]);
  });

  test.each(['http', 'grpc'] as const)('%s: a model is unloaded and loaded, indexed and counted', (transport) => {
    const { unloaded, unloadedError, loaded, index, statistics } = seen[transport];
    assert.deepEqual({ unloaded, loaded }, { unloaded: false, loaded: true });
    assert.match(unloadedError?.message ?? '', /unloaded/);
    const models = 'models' in index ? index.models : index;
    assert.deepEqual(
      models.map(({ name, state }) => `${name} ${state}`),
      ['mixed READY', 'numeric READY'],
    );
    assert.ok(Number(statistics.model_stats[0]?.inference_count) >= 5 * server.plan.numeric.rows.length);
  });

  test.each(['http', 'grpc'] as const)('%s: failures are told in words that the client can read', (transport) => {
    const { shape, model, version, key } = seen[transport].errors;
    assert.match(shape?.message ?? '', /3 columns; this model takes 30/);
    assert.match(model?.message ?? '', /no release "nope"/);
    assert.match(version?.message ?? '', /revision 99/);
    assert.match(key?.message ?? '', /key/);
    assert.deepEqual(
      [shape?.status, key?.status],
      transport === 'http' ? ['400', '401'] : ['StatusCode.INVALID_ARGUMENT', 'StatusCode.UNAUTHENTICATED'],
    );
  });

  test('grpc: a stream is answered in order, and goes on after a failure', async () => {
    const { labels } = await expectedOf(server.client, 'mixed', server.plan.mixed.rows);
    const stream = seen.grpc.stream ?? [];
    assert.deepEqual(
      stream.slice(0, 5),
      [0, 1, 2, 3, 4].map((index) => ({ id: `stream-${index}`, data: labels })),
    );
    assert.match(stream[5]?.error ?? '', /no release "nope"/);
  });
});

describe.skipIf(!hasKserve)("KServe's clients (needs kserve: SLIPWAY_REFERENCE_PYTHON names a Python that has it)", () => {
  interface Seen {
    readonly live: boolean;
    readonly ready: boolean;
    readonly modelReady: boolean;
    readonly missingReady?: boolean;
    readonly infers: Readonly<Record<string, { readonly version: string; readonly id: string; readonly outputs: Outputs }>>;
    readonly error?: { readonly message: string; readonly status: number };
    readonly repository?: readonly unknown[];
  }
  let seen: { readonly rest: Seen; readonly grpc: Seen; readonly fp16: number[][]; readonly fp32: number[][] };
  beforeAll(async () => {
    seen = (await runPython('kserve_clients.py', server.plan)) as typeof seen;
  });

  test('the server and its models are there', () => {
    for (const { live, ready, modelReady } of [seen.rest, seen.grpc]) assert.deepEqual([live, ready, modelReady], [true, true, true]);
    assert.equal(seen.rest.missingReady, false);
  });

  test.each(['rest', 'grpc'] as const)('%s: JSON and binary requests are answered as /v1 answers them', async (transport) => {
    const { numeric, mixed } = server.plan;
    const rows: Readonly<Record<string, readonly object[]>> = {
      mixed: mixed.rows,
      mixedBinary: mixed.rows,
      FP64: rowsOf(numeric.fields, numeric.rows),
      FP64Binary: rowsOf(numeric.fields, numeric.rows),
      FP32Binary: rowsOf(numeric.fields, seen.fp32),
      FP16Binary: rowsOf(numeric.fields, seen.fp16),
    };
    for (const [label, given] of Object.entries(rows)) {
      const got = seen[transport].infers[label];
      await assertOutputs(label.startsWith('mixed') ? 'mixed' : 'numeric', given, got?.outputs ?? {});
      assert.equal(got?.id, label.startsWith('mixed') ? 'kserve-2' : 'kserve-1');
      // Its REST client reads the version of binary replies only.
      if (transport === 'grpc') assert.equal(got?.version, '1');
    }
  });

  test('a failure is told in words, and models are loaded and unloaded', () => {
    assert.match(seen.rest.error?.message ?? '', /no release "nope"/);
    assert.equal(seen.rest.error?.status, 404);
    assert.deepEqual(seen.grpc.repository, ['mixed', true, false, 'mixed', true]);
  });
});
