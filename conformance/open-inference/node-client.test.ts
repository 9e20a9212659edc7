import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { grpc, loadSync } from '@slipway/open-inference/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { endAll } from '../faults/server-process.ts';
import { type ProtocolServer, expectedOf, rowsOf, startProtocolServer } from './server.ts';

type Message = Record<string, unknown>;
type Method = (
  request: Message,
  metadata: grpc.Metadata,
  options: object,
  callback: (error: grpc.ServiceError | null, reply: Message) => void,
) => void;

interface OutputMessage {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly string[];
  readonly contents: { readonly fp64_contents: number[]; readonly bytes_contents: Buffer[] } | null;
}

describe('the protocol by a Node gRPC client with the public .proto', () => {
  let server: ProtocolServer;
  let stub: Record<string, Method>;
  const metadata = new grpc.Metadata();

  beforeAll(async () => {
    server = await startProtocolServer();
    const definition = loadSync(fileURLToPath(new URL('open-inference.proto', import.meta.url)), {
      keepCase: true,
      longs: String,
      defaults: true,
    });
    const loaded = grpc.loadPackageDefinition(definition) as unknown as {
      inference: { GRPCInferenceService: new (...args: unknown[]) => Record<string, Method> };
    };
    stub = new loaded.inference.GRPCInferenceService(server.plan.grpc, grpc.credentials.createInsecure());
    metadata.set('authorization', `Bearer ${server.plan.key}`);
  });
  afterAll(async () => {
    (stub as unknown as grpc.Client | undefined)?.close();
    await endAll();
    await server?.remove();
  });

  const call = (method: string, request: Message, as = metadata) =>
    new Promise<Message>((resolve, reject) => {
      (stub[method] as Method).call(stub, request, as, { deadline: Date.now() + 30_000 }, (error, reply) =>
        error ? reject(error) : resolve(reply),
      );
    });
  const failsWith = (code: grpc.status, says: RegExp) => (error: grpc.ServiceError) => error.code === code && says.test(error.details);

  test('the server lives and names its extensions; only these need no key', async () => {
    const nobody = new grpc.Metadata();
    assert.deepEqual(await call('ServerLive', {}, nobody), { live: true });
    const { name, extensions } = await call('ServerMetadata', {}, nobody);
    assert.equal(name, 'slipway');
    assert.ok((extensions as string[]).includes('binary_tensor_data'));
    await assert.rejects(call('ModelReady', { name: 'numeric' }, nobody), failsWith(grpc.status.UNAUTHENTICATED, /key/));
  });

  test('metadata tells the tensors of a model', async () => {
    const { inputs, outputs, versions, platform } = await call('ModelMetadata', { name: 'mixed' });
    assert.deepEqual(inputs, [
      { name: 'age', datatype: 'INT64', shape: ['-1', '1'] },
      { name: 'plan', datatype: 'BYTES', shape: ['-1', '1'] },
    ]);
    assert.deepEqual(
      (outputs as OutputMessage[]).map(({ name, datatype, shape }) => `${name} ${datatype} ${shape.join('x')}`),
      ['prediction BYTES -1x1', 'probabilities FP64 -1x2', 'invocation BYTES -1x1'],
    );
    assert.deepEqual({ versions, platform }, { versions: ['1'], platform: 'slipway_model' });
  });

  test('typed contents are answered as typed contents, with the numbers of /v1', async () => {
    const { plan, client } = server;
    const { rows } = plan.mixed;
    const shape = [rows.length, 1];
    const reply = await call('ModelInfer', {
      model_name: 'mixed',
      id: 'node-1',
      parameters: { unit: { string_param: 'customer-7' } },
      inputs: [
        { name: 'age', datatype: 'INT64', shape, contents: { int64_contents: rows.map(({ age }) => age) } },
        { name: 'plan', datatype: 'BYTES', shape, contents: { bytes_contents: rows.map(({ plan: text }) => Buffer.from(text)) } },
      ],
    });
    const outputs = Object.fromEntries((reply['outputs'] as OutputMessage[]).map((output) => [output.name, output.contents]));
    const expected = await expectedOf(client, 'mixed', rows);
    assert.deepEqual(outputs['prediction']?.bytes_contents.map(String), expected.labels);
    assert.deepEqual(outputs['probabilities']?.fp64_contents, expected.probabilities);
    assert.deepEqual([reply['model_version'], reply['id']], ['1', 'node-1']);
    const [first] = outputs['invocation']?.bytes_contents ?? [];
    const { invocation } = await client.invocations.get(String(first));
    assert.deepEqual([invocation.input, invocation.unit, invocation.release], [rows[0], 'customer-7', 'mixed']);
  });

  test('raw contents are answered raw, and a version is addressed by its number and by its id', async () => {
    const { plan, client } = server;
    const { fields, rows } = plan.numeric;
    const { version } = (await client.releases.get('numeric')).revisions[0] ?? { version: '' };
    const expected = await expectedOf(client, 'numeric', rowsOf(fields, rows));
    for (const model_version of ['', '1', version]) {
      const reply = await call('ModelInfer', {
        model_name: 'numeric',
        model_version,
        inputs: [{ name: 'anything', datatype: 'FP64', shape: [rows.length, fields.length] }],
        raw_input_contents: [Buffer.from(Float64Array.from(rows.flat()).buffer)],
        outputs: [{ name: 'probabilities' }],
      });
      const raw = (reply['raw_output_contents'] as Buffer[])[0] as Buffer;
      assert.deepEqual([...new Float64Array(Uint8Array.from(raw).buffer)], expected.probabilities);
    }
  });

  test('failures say what is wrong, with the status of their kind', async () => {
    const infer = (more: Message) =>
      call('ModelInfer', {
        model_name: 'mixed',
        inputs: [{ name: 'age', datatype: 'INT64', shape: [1, 1], contents: { int64_contents: [3] } }],
        ...more,
      });
    const { INVALID_ARGUMENT, NOT_FOUND } = grpc.status;
    await assert.rejects(infer({ model_name: 'nope' }), failsWith(NOT_FOUND, /no release "nope"/));
    await assert.rejects(infer({ model_version: '7' }), failsWith(NOT_FOUND, /revision 7/));
    await assert.rejects(infer({ raw_input_contents: [Buffer.alloc(3)] }), failsWith(INVALID_ARGUMENT, /"age" has 3 bytes/));
    await assert.rejects(
      infer({ inputs: [{ name: 'agee', datatype: 'INT64', shape: [1], contents: { int64_contents: [3] } }] }),
      failsWith(INVALID_ARGUMENT, /did you mean "age"/),
    );
    await assert.rejects(
      infer({ inputs: [{ name: 'age', datatype: 'FP16', shape: [1] }] }),
      failsWith(INVALID_ARGUMENT, /raw_input_contents/),
    );
    await assert.rejects(
      infer({ inputs: [{ name: 'age', datatype: 'FP64', shape: [1], contents: { fp64_contents: [1.5] } }] }),
      failsWith(INVALID_ARGUMENT, /whole number/),
    );
  });
});
