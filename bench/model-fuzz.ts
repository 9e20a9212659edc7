/**
 * Feeds mutated models to checks and engine in a child process and reports crashes and hangs, with their seeds.
 * `node bench/model-fuzz.ts [models] [bytes|attributes]`. Every model is opened, asked for five rows, and closed.
 */
import { spawn } from 'node:child_process';
import { PlatformError } from '@slipway/kernel';
import { decodeModel, encodeModel, openModel, type NodeMessage } from '@slipway/models';
import { seededRandom, syntheticModel } from '@slipway/models/testing';

const HANG_LIMIT_MS = 20_000;
const NASTY = [0, 1, -1, 2, 5, 100, 1e6, 2 ** 31 - 1, -(2 ** 31), 2 ** 32 - 1, Number.MAX_SAFE_INTEGER];
const MODES = ['LEAF', 'BRANCH_EQ', 'BRANCH_LEQ', 'BRANCH_GT', 'NO_SUCH_MODE'];
const [, , count = '500', kind = 'attributes', role = 'parent', from = '0'] = process.argv;
const { bytes, metadata, rows } = syntheticModel({ numeric: 3, categorical: 2, times: 1, trees: 4, depth: 3 });
const sample = rows(5);

function mutateBytes(seed: number): Uint8Array {
  const random = seededRandom(seed);
  const copy = Uint8Array.from(bytes);
  for (let index = 0; index <= random() * 3; index += 1) copy[Math.floor(random() * copy.length)] = Math.floor(random() * 256);
  return copy;
}

function mutateAttributes(seed: number): Uint8Array {
  const random = seededRandom(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const model = decodeModel(bytes);
  const nodes = model.graph.node.filter((node) => node.attribute.length > 0);
  const trees = nodes.find((node) => node.opType === 'TreeEnsembleRegressor') as NodeMessage;
  for (let round = 0; round < 2; round += 1) {
    const item = pick((random() < 0.7 ? trees : pick(nodes)).attribute);
    const put = (list: unknown) => ((list as unknown[])[Math.floor(random() * (list as unknown[]).length)] = pick(NASTY));
    if (item.ints?.length) put(item.ints);
    else if (item.floats?.length) put(item.floats);
    else if (item.strings?.length) item.strings[Math.floor(random() * item.strings.length)] = Buffer.from(pick(MODES));
    else item.i = pick(NASTY);
  }
  return encodeModel(model);
}

async function outcomeOf(seed: number): Promise<string> {
  try {
    const mutated = kind === 'bytes' ? mutateBytes(seed) : mutateAttributes(seed);
    const model = await openModel({ bytes: mutated, metadata, prepare: 'here' });
    await model.predictRows(sample);
    await model.close();
    return 'answered';
  } catch (error) {
    return error instanceof PlatformError ? error.code : `NOT OURS: ${String(error)}`;
  }
}

async function child(): Promise<void> {
  for (let seed = Number(from); seed < Number(count); seed += 1) process.send?.({ seed, outcome: await outcomeOf(seed) });
  process.disconnect?.();
}

/** Runs seeds from `start` until the end, a crash or a hang. @returns the seed to blame, or undefined. */
async function runChild(start: number, tally: Map<string, number>): Promise<number | undefined> {
  const worker = spawn(process.execPath, [import.meta.filename, count, kind, 'child', String(start)], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  let next = start;
  let timer = setTimeout(() => worker.kill('SIGKILL'), HANG_LIMIT_MS);
  worker.on('message', (message: { seed: number; outcome: string }) => {
    next = message.seed + 1;
    tally.set(message.outcome, (tally.get(message.outcome) ?? 0) + 1);
    clearTimeout(timer);
    timer = setTimeout(() => worker.kill('SIGKILL'), HANG_LIMIT_MS);
  });
  const signal = await new Promise((resolve) => worker.on('exit', (code, by) => resolve(code === 0 ? undefined : (by ?? code))));
  clearTimeout(timer);
  if (signal !== undefined) console.log(`seed ${next}: the process ended by ${String(signal)} (SIGKILL means it hung)`);
  return signal === undefined ? undefined : next;
}

async function parent(): Promise<void> {
  const tally = new Map<string, number>();
  let faults = 0;
  for (let start = 0; start < Number(count);) {
    const blamed = await runChild(start, tally);
    if (blamed === undefined) break;
    faults += 1;
    start = blamed + 1;
  }
  console.log(JSON.stringify({ kind, faults, ...Object.fromEntries(tally) }));
  process.exitCode = faults === 0 ? 0 : 1;
}

await (role === 'child' ? child() : parent());
