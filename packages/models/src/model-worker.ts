import { parentPort } from 'node:worker_threads';
import type { Engine } from './engine.ts';
import { InferenceError } from './errors.ts';
import { prepareModel } from './prepare.ts';
import { plainError, type WorkerReply, type WorkerRequest } from './worker-messages.ts';

let engine: Engine | undefined;

parentPort?.on('message', async ({ id, request }: { id: number; request: WorkerRequest }) => {
  let reply: WorkerReply;
  try {
    reply = await answer(id, request);
  } catch (thrown) {
    reply = { id, type: 'failed', error: plainError(thrown) };
  }
  parentPort?.postMessage(reply, reply.type === 'ran' ? reply.numbers.map((numbers) => numbers.buffer as ArrayBuffer) : []);
});

async function answer(id: number, request: WorkerRequest): Promise<WorkerReply> {
  if (request.type === 'prepare') {
    const result = await prepareModel(request.source, request.metadata, request.options);
    engine = result.engine;
    return { id, type: 'prepared', prepared: result.prepared };
  }
  if (!engine) throw new InferenceError('The worker was asked to run before it had a model.');
  const numbers = await engine.run(request.rows, request.outputs);
  // The engine's arrays may share one buffer or belong to it; what is transferred must be ours.
  return { id, type: 'ran', numbers: numbers.map((values) => values.slice()) };
}
