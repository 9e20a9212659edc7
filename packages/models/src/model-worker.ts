import { constants, getPriority, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { type Engine, openEngine } from './engine.ts';
import { InferenceError } from './errors.ts';
import { enterGate, leaveGate } from './exit-gate.ts';
import { prepareModel } from './prepare.ts';
import { plainError, type WorkerReply, type WorkerRequest } from './worker-messages.ts';

interface Message {
  readonly id: number;
  readonly request: WorkerRequest;
}

/** Above the priority of the process. */
const NICER = 5;

// Where all cores compute, the event loop's thread would wait for one; it has little to do and callers wait for it. On Linux
// this is the priority of the calling thread, elsewhere that of the whole process.
if (process.platform === 'linux') setPriority(Math.min(constants.priority.PRIORITY_LOW, getPriority() + NICER));

const gate = workerData as Int32Array;
let engine: Engine | undefined;
/** Messages are answered one after the other, so that closing waits for the run before it. */
let last: Promise<void> = Promise.resolve();

parentPort?.on('message', (message: Message) => {
  last = serveAfter(last, message);
});

async function serveAfter(earlier: Promise<void>, message: Message): Promise<void> {
  await earlier;
  if (!enterGate(gate)) return;
  await handle(message);
  leaveGate(gate);
}

async function handle({ id, request }: Message): Promise<void> {
  if (request.type === 'close') {
    await engine?.close();
    // Nothing else holds the thread, so it ends.
    parentPort?.close();
    return;
  }
  try {
    const reply = await answer(id, request);
    parentPort?.postMessage(reply, reply.type === 'ran' ? reply.numbers.map((numbers) => numbers.buffer as ArrayBuffer) : []);
  } catch (thrown) {
    parentPort?.postMessage({ id, type: 'failed', error: plainError(thrown) } satisfies WorkerReply, []);
  }
}

async function answer(id: number, request: Exclude<WorkerRequest, { type: 'close' }>): Promise<WorkerReply> {
  if (request.type === 'run') return run(id, request);
  if (request.type === 'open') {
    engine = await openEngine(request.source, request.plan, request.options);
    return { id, type: 'opened' };
  }
  const result = await prepareModel(request.source, request.metadata, request.options);
  engine = result.engine;
  return { id, type: 'prepared', prepared: result.prepared };
}

async function run(id: number, request: Extract<WorkerRequest, { type: 'run' }>): Promise<WorkerReply> {
  if (!engine) throw new InferenceError('The worker was asked to run before it had a model.');
  const numbers = await engine.run(request.rows, request.outputs);
  // The engine's arrays may belong to it; what is transferred must be ours.
  const answers = numbers.map((values) => values.slice());
  // The rows were handed over to this thread, unshared. Freed now; a collection would come after tens of megabytes (70 of 390, 2026-11).
  (request.rows.numbers.buffer as ArrayBuffer).transfer(0);
  return { id, type: 'ran', numbers: answers };
}
