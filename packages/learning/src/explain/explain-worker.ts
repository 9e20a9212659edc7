import { parentPort } from 'node:worker_threads';
import { PlatformError } from '@slipway/kernel';
import type { PlainError } from '../worker-protocol.ts';
import { buildExplainer } from './build-explainer.ts';
import { type ExplainerData, packExplainer, unpackExplainer } from './explainer-data.ts';
import type { ExplainerFacts, ExplainMessage, ExplainReplies, ExplainReply } from './explain-protocol.ts';
import { Explainer, methodName, spaceOf } from './explainer.ts';
import { membersOf } from './predictor-explainer.ts';

/** The thread that explains: an answer's reasons cost a multiple of the answer, which must not hold up other calls. */

/** Explainers kept open, and the leaves of all their trees (about half a kilobyte each); the one used longest ago goes first. */
const OPEN_LIMIT = 4;
const OPEN_LEAVES_LIMIT = 400_000;
const open = new Map<string, Explainer>();

parentPort?.on('message', ({ id, message }: { id: number; message: ExplainMessage }) => {
  try {
    const value = answer(message);
    reply(value === undefined ? { id, type: 'unloaded' } : { id, type: 'done', value });
  } catch (thrown) {
    reply({ id, type: 'failed', error: plainError(thrown) });
  }
});

function reply(message: ExplainReply): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window
  parentPort?.postMessage(message);
}

function answer(message: ExplainMessage): ExplainReplies[keyof ExplainReplies] | undefined {
  if (message.kind === 'build') {
    const data = buildExplainer(message.request);
    return { bytes: packExplainer(data), facts: factsOf(data) };
  }
  if (message.kind === 'load') return factsOf(load(message.key, message.bytes).data);
  const explainer = open.get(message.key);
  if (!explainer) return undefined;
  open.delete(message.key);
  open.set(message.key, explainer);
  if (message.kind === 'explain') return explainer.explain(message.rows, message.options, message.decision);
  return message.kind === 'contributions' ? explainer.contributions(message.frame) : explainer.interactions(message.frame);
}

function load(key: string, bytes: Uint8Array): Explainer {
  const explainer = new Explainer(unpackExplainer(bytes));
  open.set(key, explainer);
  for (const oldest of open.keys()) {
    const leaves = [...open.values()].reduce((sum, each) => sum + leavesOf(each.data), 0);
    if (open.size === 1 || (open.size <= OPEN_LIMIT && leaves <= OPEN_LEAVES_LIMIT)) break;
    open.delete(oldest);
  }
  return explainer;
}

function factsOf(data: ExplainerData): ExplainerFacts {
  return {
    method: methodName(data.fitted.predictor, 'path-dependent'),
    space: spaceOf(data.fitted.task, data.fitted.link),
    immutable: data.immutable,
    additivityError: data.additivityError,
    hasExamples: data.examples !== null,
    leaves: leavesOf(data),
    outputCount: data.fitted.task === 'multiclass' ? (data.fitted.classes?.length ?? 1) : 1,
    features: data.fitted.preparation.features.length,
  };
}

/** Leaves of all trees; a linear model counts as one. */
function leavesOf(data: ExplainerData): number {
  return membersOf(data.fitted.predictor).reduce(
    (sum, { predictor }) =>
      sum + (predictor.kind === 'trees' ? predictor.forest.trees.reduce((leaves, tree) => leaves + tree.value.length, 0) : 1),
    0,
  );
}

function plainError(thrown: unknown): PlainError {
  if (thrown instanceof PlatformError)
    return { code: thrown.code, message: thrown.message, details: thrown.details, help: thrown.help, stack: thrown.stack };
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  return { code: null, message: error.message, details: {}, help: undefined, stack: error.stack };
}
