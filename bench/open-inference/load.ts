/**
 * Load for bench/open-inference.ts in a process of its own: the same rows by JSON, by raw tensors over REST, and over gRPC
 * with typed and raw contents. Connections are kept, one request in flight on each.
 */
import { Agent, request } from 'node:http';
import { grpc, loadSync } from '@slipway/open-inference/testing';
import { fileURLToPath } from 'node:url';

export type Way = 'v1 JSON' | 'v2 JSON' | 'v2 binary' | 'gRPC typed' | 'gRPC raw';

export interface LoadPlan {
  readonly way: Way;
  readonly port: number;
  readonly grpc: string;
  readonly key: string;
  readonly model: string;
  readonly fields: readonly string[];
  readonly rows: readonly (readonly number[])[];
  readonly seconds: number;
  readonly connections: number;
}

export interface LoadReport {
  readonly requestsPerSecond: number;
  readonly latencyMsP50: number;
  readonly latencyMsP99: number;
  readonly requestBytes: number;
}

const PROTO = fileURLToPath(new URL('../../conformance/open-inference/open-inference.proto', import.meta.url));

interface Prepared {
  readonly requestBytes: number;
  /** Opens one connection; each call of what it gives is one request, answered. */
  connect(): { send(): Promise<void>; close(): void };
}

function prepareHttp(plan: LoadPlan, path: string, body: Buffer, headers: Readonly<Record<string, string>>): Prepared {
  const options = {
    host: '127.0.0.1',
    port: plan.port,
    path,
    method: 'POST',
    headers: { authorization: `Bearer ${plan.key}`, 'content-length': body.length, ...headers },
  };
  return {
    requestBytes: body.length,
    connect() {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const send = () =>
        new Promise<void>((resolve, reject) => {
          const call = request({ ...options, agent }, (reply) => {
            if (reply.statusCode !== 200) reject(new Error(`${path}: ${reply.statusCode}`));
            reply.on('data', () => {}).on('end', resolve);
          });
          call.on('error', reject).end(body);
        });
      return { send, close: () => agent.destroy() };
    },
  };
}

function prepareGrpc(plan: LoadPlan, isRaw: boolean): Prepared {
  const definition = loadSync(PROTO, { keepCase: true, longs: Number, defaults: true });
  const loaded = grpc.loadPackageDefinition(definition)['inference'] as unknown as Record<string, grpc.ServiceClientConstructor>;
  const shape = [plan.rows.length, plan.fields.length];
  const flat = Float32Array.from(plan.rows.flat());
  const message = {
    model_name: plan.model,
    inputs: [{ name: 'input', datatype: 'FP32', shape, ...(isRaw ? {} : { contents: { fp32_contents: [...flat] } }) }],
    raw_input_contents: isRaw ? [Buffer.from(flat.buffer)] : [],
  };
  const metadata = new grpc.Metadata();
  metadata.set('authorization', `Bearer ${plan.key}`);
  const Client = loaded['GRPCInferenceService'] as grpc.ServiceClientConstructor;
  return {
    requestBytes: Client.service['ModelInfer']?.requestSerialize(message).length ?? 0,
    connect() {
      // A channel of its own for each, as with HTTP.
      const client = new Client(plan.grpc, grpc.credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
      const infer = (client['ModelInfer'] as (...args: unknown[]) => void).bind(client);
      const send = () =>
        new Promise<void>((resolve, reject) => infer(message, metadata, (error: Error | null) => (error ? reject(error) : resolve())));
      return { send, close: () => client.close() };
    },
  };
}

function prepare(plan: LoadPlan): Prepared {
  const { way, model, fields, rows } = plan;
  const path = `/v2/models/${model}/infer`;
  const json = { 'content-type': 'application/json' };
  const tensor = { name: 'input', datatype: 'FP32', shape: [rows.length, fields.length] };
  switch (way) {
    case 'v1 JSON': {
      const objects = rows.map((values) => Object.fromEntries(fields.map((field, index) => [field, values[index]])));
      return prepareHttp(plan, `/v1/releases/${model}/predict`, Buffer.from(JSON.stringify({ rows: objects })), json);
    }
    case 'v2 JSON':
      return prepareHttp(plan, path, Buffer.from(JSON.stringify({ inputs: [{ ...tensor, data: rows.flat() }] })), json);
    case 'v2 binary': {
      const raw = Buffer.from(Float32Array.from(rows.flat()).buffer);
      const inputs = [{ ...tensor, parameters: { binary_data_size: raw.length } }];
      const head = Buffer.from(JSON.stringify({ inputs, parameters: { binary_data_output: true } }));
      return prepareHttp(plan, path, Buffer.concat([head, raw]), {
        'content-type': 'application/octet-stream',
        'inference-header-content-length': String(head.length),
      });
    }
    case 'gRPC typed':
      return prepareGrpc(plan, false);
    case 'gRPC raw':
      return prepareGrpc(plan, true);
  }
}

async function run(plan: LoadPlan): Promise<LoadReport> {
  const prepared = prepare(plan);
  const latenciesMs: number[] = [];
  const startMs = performance.now();
  const endMs = startMs + plan.seconds * 1_000;
  const drive = async () => {
    const connection = prepared.connect();
    while (performance.now() < endMs) {
      const sentMs = performance.now();
      await connection.send();
      latenciesMs.push(performance.now() - sentMs);
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: plan.connections }, drive));
  const tookMs = performance.now() - startMs;
  const sorted = Float64Array.from(latenciesMs).toSorted();
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
  return {
    requestsPerSecond: (sorted.length * 1_000) / tookMs,
    latencyMsP50: at(0.5),
    latencyMsP99: at(0.99),
    requestBytes: prepared.requestBytes,
  };
}

process.on('message', async (plan: LoadPlan) => {
  process.send?.(await run(plan).catch((error: unknown) => ({ error: String(error) })));
});
process.send?.('ready');
