/**
 * Node's HTTP server with ONNX Runtime and nothing else: what this runtime costs at least. `bare.ts FOLDER THREADS` tells its port
 * to the parent; POST /NAME {"rows": [[...]]}.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';

const [folder = '', threads = '1'] = process.argv.slice(2);
const sessions = new Map<string, ort.InferenceSession>();
for (const name of ['mlp', 'trees', 'heavy']) {
  const path = join(folder, `${name}.onnx`);
  sessions.set(name, await ort.InferenceSession.create(path, { intraOpNumThreads: Number(threads), interOpNumThreads: 1 }));
}

async function answer(request: IncomingMessage, reply: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { rows } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { rows: number[][] };
  const session = sessions.get(request.url?.slice(1) ?? '');
  if (!session) throw new Error(`no model at ${request.url}`);
  const input = new ort.Tensor('float32', Float32Array.from(rows.flat()), [rows.length, rows[0]?.length ?? 0]);
  const { output } = await session.run({ input }, ['output']);
  const body = JSON.stringify({ output: Array.from(output?.data as Float32Array) });
  reply.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}

const server = createServer((request, reply) => {
  answer(request, reply).catch((error: unknown) => reply.writeHead(500).end(String(error)));
});
// A blocked event loop would take waiting requests for idle connections.
server.keepAliveTimeout = 75_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
