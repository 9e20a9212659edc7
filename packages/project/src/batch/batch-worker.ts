import { constants, getPriority, setPriority } from 'node:os';
import { type BatchPlan, type Engine, convertSource, createEngine, describeSource, joinShards, planBatch, runShard } from '@slipway/data';
import { type OnnxModel, type OpenModelOptions, openModel } from '@slipway/models';
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
/** Rows of one run of the graph. */
const RUN_ROWS = 4_096;

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

async function handleAfter(earlier: Promise<void>, { id, order }: Extract<ToBatchProcess, { order: BatchOrder }>): Promise<void> {
  await earlier;
  try {
    send({ id, type: 'done', reply: await obey(id, order) });
  } catch (thrown) {
    send({ id, type: 'failed', failure: plainFailure(thrown) });
  }
}

function send(message: FromBatchProcess): void {
  process.send?.(message);
}

async function obey(id: number, order: BatchOrder): Promise<BatchReplies[BatchOrder['type']]> {
  switch (order.type) {
    case 'open':
      return open(id, order);
    case 'shard':
      return shard(id, order);
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

async function openHere(options: OpenModelOptions): Promise<OnnxModel> {
  const opened = await openModel(options);
  // Reading the graph leaves several times its size behind, which nothing that follows would soon collect.
  globalThis.gc?.();
  return opened;
}

async function shard(id: number, order: Extract<BatchOrder, { type: 'shard' }>): Promise<BatchReplies['shard']> {
  const { metadata, modelPath, threads } = setupOf();
  model ??= openHere({ path: modelPath, metadata, threads, lane: 'inline', prepare: 'here', runRows: RUN_ROWS });
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
    onRows: (rows) => send({ id, type: 'rows', rows }),
  });
  const hasOutput = await stat(order.outputPath).then(
    () => true,
    () => false,
  );
  return { rejected, hasOutput };
}
