import { constants, getPriority, setPriority } from 'node:os';
import {
  type BatchPlan,
  type Engine,
  PIECE_ROWS,
  convertSource,
  createEngine,
  describeSource,
  joinShards,
  planBatch,
  runShard,
} from '@slipway/data';
import { type OnnxModel, lanesFor, openModel } from '@slipway/models';
import { stat } from 'node:fs/promises';
import { answerFrame } from './answer-frame.ts';
import {
  type BatchOrder,
  type BatchReplies,
  type BatchSetup,
  type FromBatchProcess,
  type ToBatchProcess,
  plainFailure,
} from './batch-messages.ts';

/**
 * Entry of a process that predicts for tables: tables and models take memory and time that the server's own process keeps for
 * calls. It runs at a lower priority, and ends with its parent.
 */
const ENGINE_MEMORY_MIB = 320;
/** How much later than its parent it gets the processor: calls come first. */
const NICER = 5;
/** A model larger than this is not copied for each thread: a copy takes several times its file, and all threads can compute one run. */
const COPIED_BYTES_MAX = 32 * 2 ** 20;
/** Pieces of a table for each thread that computes: one that it computes and one that is ready when it has. */
const PIECES_PER_LANE = 2;

setPriority(Math.min(constants.priority.PRIORITY_LOW, getPriority() + NICER));
process.on('disconnect', () => process.exit(1));

let setup: BatchSetup | undefined;
let engine: Engine | undefined;
let model: Promise<OnnxModel> | undefined;
const plans = new Map<string, Promise<BatchPlan>>();
let last: Promise<void> = Promise.resolve();

process.on('message', (message: ToBatchProcess) => {
  if ('setup' in message) {
    setup = message.setup;
    return;
  }
  last = handleAfter(last, message);
});

/** @returns when the next order may begin: a shard whose rows are answered only has to be written. */
async function handleAfter(earlier: Promise<void>, message: Extract<ToBatchProcess, { order: BatchOrder }>): Promise<void> {
  await earlier;
  return new Promise((next) => void handle(message, next));
}

async function handle({ id, order }: Extract<ToBatchProcess, { order: BatchOrder }>, next: () => void): Promise<void> {
  try {
    send({ id, type: 'done', reply: await obey(id, order, next) });
  } catch (thrown) {
    send({ id, type: 'failed', failure: plainFailure(thrown) });
  } finally {
    next();
  }
}

function send(message: FromBatchProcess): void {
  process.send?.(message);
}

async function obey(id: number, order: BatchOrder, onAnswered: () => void): Promise<BatchReplies[BatchOrder['type']]> {
  switch (order.type) {
    case 'open':
      return open(id, order);
    case 'shard':
      return shard(id, order, onAnswered);
    case 'join':
      return { rows: await joinShards(engineOf(), order) };
  }
}

function setupOf(): BatchSetup {
  if (!setup) throw new Error('Broken invariant: a batch process is set up before its first order');
  return setup;
}

function engineOf(): Engine {
  const { workDirectory, threads } = setupOf();
  return (engine ??= createEngine({ workDirectory, threads, memoryMib: ENGINE_MEMORY_MIB }));
}

/** Columns that are no inputs and decide which threshold a row has. */
function groupColumns({ metadata }: BatchSetup): string[] {
  return [...new Set((metadata.groupThresholds ?? []).flatMap((group) => group.conditions.map((condition) => condition.column)))];
}

async function open(id: number, { path, read, target }: Extract<BatchOrder, { type: 'open' }>): Promise<BatchReplies['open']> {
  const source = await convertSource(engineOf(), {
    source: { ...read, path },
    target,
    onRatio: (ratio) => send({ id, type: 'ratio', ratio }),
  });
  const { absent, extra } = planBatch(setupOf().metadata.contract, source.columns, groupColumns(setupOf()));
  return { source, absent, extra };
}

/** On threads of its own, so that tables are read and written while it computes. */
async function openLanes({ modelPath, metadata, threads }: BatchSetup): Promise<OnnxModel> {
  const { size: sizeBytes } = await stat(modelPath);
  const lanes = sizeBytes > COPIED_BYTES_MAX ? 1 : lanesFor({ cores: threads, threads: 1, sizeBytes });
  const serving = { lanes, threads: Math.max(1, Math.floor(threads / lanes)), warmup: false };
  return openModel({ path: modelPath, metadata, lane: 'worker', runRows: PIECE_ROWS, serving });
}

async function shard(id: number, order: Extract<BatchOrder, { type: 'shard' }>, onAnswered: () => void): Promise<BatchReplies['shard']> {
  const { metadata } = setupOf();
  model ??= openLanes(setupOf());
  const { file } = order;
  const known =
    plans.get(file) ??
    describeSource(engineOf(), file).then(({ columns }) => planBatch(metadata.contract, columns, groupColumns(setupOf())));
  plans.set(file, known);
  const opened = await model;
  const { rejected } = await runShard(engineOf(), {
    ...order,
    plan: await known,
    knownTexts: opened.facts.knownTexts,
    answer: (frame) => answerFrame(opened, frame),
    answersAtOnce: PIECES_PER_LANE * opened.facts.lanes,
    onRows: (rows) => send({ id, type: 'rows', rows }),
    onAnswered,
  });
  const hasOutput = await stat(order.outputPath).then(
    () => true,
    () => false,
  );
  return { rejected, hasOutput };
}
