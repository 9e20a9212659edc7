import assert from 'node:assert/strict';
import { Metadata, type ServiceError, credentials, loadPackageDefinition, status } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { ForbiddenError, OverloadedError, type Permission, UnauthenticatedError, roleAllows } from '@slipway/kernel';
import { CALL_ROWS_LIMIT } from '@slipway/releases/contract';
import { fakeModel } from '@slipway/releases/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { INFER_BODY_LIMIT_BYTES } from './capability.ts';
import { GRPC_SCHEMA } from './grpc-schema.ts';
import { type GrpcListening, listenGrpc } from './grpc-server.ts';
import { CALLER, type MemoryHouse, memoryHouse, versionRef } from './testing/memory-house.ts';

type Message = Record<string, unknown>;
type Unary = (request: Message, metadata: Metadata, options: object, respond: (error: ServiceError | null, reply: Message) => void) => void;
interface Stream {
  write(message: Message): void;
  end(): void;
  on(event: string, listener: (value: never) => void): Stream;
}
type Stub = Record<string, Unary> & { ModelStreamInfer(metadata: Metadata): Stream; close(): void };

const options = { keepCase: true, longs: Number, defaults: true } as const;

describe('the gRPC side', () => {
  const house: MemoryHouse = memoryHouse();
  const problems: unknown[] = [];
  let listening: GrpcListening;
  let stub: Stub;

  beforeAll(async () => {
    house.publish('double', (id) => fakeModel(versionRef(id)));
    house.publish('broken', (id) => ({ ...fakeModel(versionRef(id)), invoke: () => Promise.reject(new Error('secret cause')) }));
    listening = await listenGrpc(
      {
        service: house.service,
        async authorize(authorization, permission: Permission) {
          if (authorization !== 'Bearer service' && authorization !== 'Bearer viewer') throw new UnauthenticatedError('No key.');
          const role = authorization === 'Bearer viewer' ? 'viewer' : 'service';
          if (!roleAllows(role, permission)) throw new ForbiddenError(`A ${role} may not.`);
          return CALLER;
        },
        requestId: (given) => given ?? 'req_new',
        onProblem: (error) => void problems.push(error),
      },
      { host: '127.0.0.1', port: 0 },
    );
    const loaded = loadPackageDefinition(fromJSON(GRPC_SCHEMA as unknown as Parameters<typeof fromJSON>[0], options));
    const { GRPCInferenceService } = loaded['inference'] as unknown as { GRPCInferenceService: new (...args: unknown[]) => Stub };
    stub = new GRPCInferenceService(`127.0.0.1:${listening.port}`, credentials.createInsecure());
  });
  afterAll(async () => {
    stub?.close();
    await listening?.close();
  });

  const withKey = (role?: string) => {
    const metadata = new Metadata();
    if (role !== undefined) metadata.set('authorization', `Bearer ${role}`);
    return metadata;
  };
  const call = (method: string, request: Message, role: string | undefined = 'service', more: object = {}) =>
    new Promise<Message>((resolve, reject) => {
      (stub[method] as Unary).call(stub, request, withKey(role), { deadline: Date.now() + 20_000, ...more }, (error, reply) =>
        error ? reject(error) : resolve(reply),
      );
    });
  const request = (...values: number[]): Message => ({
    model_name: 'double',
    inputs: [{ name: 'x', datatype: 'FP64', shape: [values.length, 1], contents: { fp64_contents: values } }],
  });
  const fails = (code: status, says: RegExp) => (error: ServiceError) => error.code === code && says.test(error.details);

  test('OI7 the server may be asked by anybody, models only with a key and its permission', async () => {
    assert.deepEqual(await call('ServerReady', {}, ''), { ready: true });
    await assert.rejects(call('ModelInfer', request(1), ''), fails(status.UNAUTHENTICATED, /No key/));
    await assert.rejects(call('ModelInfer', request(1), 'viewer'), fails(status.PERMISSION_DENIED, /viewer may not/));
    for (const method of ['RepositoryModelLoad', 'RepositoryModelUnload']) {
      await assert.rejects(call(method, { model_name: 'double' }), fails(status.PERMISSION_DENIED, /service may not/));
    }
    for (const method of ['ModelReady', 'ModelMetadata', 'ModelConfig', 'ModelStatistics', 'RepositoryIndex']) {
      await assert.rejects(call(method, {}, ''), fails(status.UNAUTHENTICATED, /No key/));
    }
  });

  test("a model's configuration leaves the rows out of its shapes", async () => {
    const { config } = await call('ModelConfig', { name: 'double' });
    assert.deepEqual(config, {
      name: 'double',
      platform: 'slipway_model',
      backend: 'slipway',
      max_batch_size: CALL_ROWS_LIMIT,
      // Of Triton's enum, 12 is FP64 and 13 text.
      input: [{ name: 'x', data_type: 12, dims: [1], optional: false }],
      output: [
        { name: 'answer', data_type: 13, dims: [1] },
        { name: 'invocation', data_type: 13, dims: [1] },
      ],
    });
    await assert.rejects(call('ModelConfig', { name: 'nope' }), fails(status.NOT_FOUND, /nope/));
  });

  test('a request is answered the way it came', async () => {
    const { outputs } = (await call('ModelInfer', request(21))) as { outputs: { contents: { bytes_contents: Buffer[] } }[] };
    assert.equal(outputs.length, 2);
    const raw = await call('ModelInfer', { ...request(21), raw_input_contents: [Buffer.from(Float64Array.of(4).buffer)] });
    assert.equal((raw['raw_output_contents'] as unknown[]).length, 2);
    assert.deepEqual(house.written.at(-1)?.input, { x: 4 }, 'raw contents win over typed ones');
  });

  test('failures have the status of their kind; causes stay inside', async () => {
    await assert.rejects(call('ModelInfer', { ...request(1), model_name: 'no such name!' }), fails(status.INVALID_ARGUMENT, /model|name/));
    await assert.rejects(call('ModelInfer', { ...request(1), model_name: 'nope' }), fails(status.NOT_FOUND, /nope/));
    await assert.rejects(call('ModelInfer', request()), fails(status.INVALID_ARGUMENT, /holds nothing/));
    const known = problems.length;
    await assert.rejects(
      call('ModelInfer', { ...request(1), model_name: 'broken' }),
      (error: ServiceError) => error.code === status.INTERNAL && !/secret/.test(error.details),
    );
    assert.equal(problems.length, known + 1);
  });

  test('a message past the limit and a call past its deadline are refused', async () => {
    const big = { ...request(1), raw_input_contents: [Buffer.alloc(INFER_BODY_LIMIT_BYTES + 1)] };
    await assert.rejects(call('ModelInfer', big), fails(status.RESOURCE_EXHAUSTED, /larger than max/));
    await assert.rejects(call('ModelInfer', request(1), 'service', { deadline: Date.now() - 1 }), fails(status.DEADLINE_EXCEEDED, /./));
  });

  test('a stream is answered in order and goes on after a failure; a wrong key ends it', async () => {
    const stream = stub.ModelStreamInfer(withKey('service'));
    const replies: { error_message: string; infer_response: { id: string } | null }[] = [];
    const ended = new Promise<void>((resolve, reject) => {
      stream
        .on('data', (reply) => void replies.push(reply))
        .on('end', () => resolve())
        .on('error', reject);
    });
    for (let index = 0; index < 250; index += 1) stream.write({ ...request(index === 3 ? -1 : index), id: String(index) });
    stream.end();
    await ended;
    assert.deepEqual(
      replies.map((reply) => reply.infer_response?.id),
      Array.from({ length: 250 }, (_, index) => String(index)),
    );
    assert.match(replies[3]?.error_message ?? '', /negative/);
    assert.equal(replies.filter((reply) => reply.error_message !== '').length, 1);
    const refused = stub.ModelStreamInfer(withKey('nobody'));
    const error = await new Promise<ServiceError>((resolve) => refused.on('error', resolve).on('data', () => {}));
    assert.equal(error.code, status.UNAUTHENTICATED);
  });

  test('a model whose queue is full refuses before the tensors are read, and priorities come as metadata', async () => {
    const wishes: unknown[] = [];
    const refusal = (wish: { readonly priority: string; readonly deadlineMs: number | undefined }) => {
      wishes.push([wish.priority, wish.deadlineMs !== undefined]);
      return new OverloadedError('queue-full', '7 rows already wait for this model.', { retryAfterSeconds: 2 });
    };
    house.publish('busy', (id) => ({ ...fakeModel(versionRef(id)), capacity: { memoryBytes: 1, inFlight: 7, queuedRows: 7, refusal } }));
    await house.service.load(CALLER.project, 'busy');
    const metadata = withKey('service');
    metadata.set('x-slipway-priority', 'batch');
    const written = house.written.length;
    const failure = await new Promise<ServiceError | null>((resolve) =>
      (stub['ModelInfer'] as Unary).call(
        stub,
        { model_name: 'busy', inputs: [{ datatype: 'no such type' }] },
        metadata,
        { deadline: Date.now() + 20_000 },
        resolve,
      ),
    );
    assert.ok(failure && fails(status.UNAVAILABLE, /7 rows already wait/)(failure), String(failure));
    assert.deepEqual(wishes, [['batch', true]]);
    assert.equal(house.written.length, written, 'nothing is recorded');
  });

  test('closing answers what is under way and takes nothing new', async () => {
    const held = Promise.withResolvers<void>();
    house.publish('slow', (id) => {
      const model = fakeModel(versionRef(id));
      return {
        ...model,
        async invoke(calls) {
          await held.promise;
          return model.invoke(calls);
        },
      };
    });
    const written = house.written.length;
    const underWay = call('ModelInfer', { ...request(21), model_name: 'slow' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const closing = listening.close();
    assert.equal(listening.close(), closing, 'closing twice is closing once');
    await new Promise((resolve) => setTimeout(resolve, 50));
    await assert.rejects(call('ModelInfer', request(1), 'service', { deadline: Date.now() + 500 }));
    held.resolve();
    assert.equal(((await underWay) as { outputs: unknown[] }).outputs.length, 2);
    await closing;
    assert.equal(house.written.length, written + 1);
  });
});
