import { parentPort } from 'node:worker_threads';
import { PlatformError } from '@slipway/kernel';
import { exportModel } from './export/export-model.ts';
import { numbersOf, objectiveOf, predictMargins, type Predictor, predictorOf } from './fitted-model.ts';
import { encodeTraining, fitSupervised } from './preparation.ts';
import { blend } from './search/blend.ts';
import { weightedMean } from './search/compare.ts';
import { Evaluator, type LearningTask } from './search/evaluate.ts';
import { type Fold, type FoldPlan, planFolds, planForwardFolds } from './search/folds.ts';
import { withoutIdleElapsed } from './search/elapsed.ts';
import { refit } from './search/refit.ts';
import { probeErrors } from './search/root-probe.ts';
import { planRungs } from './search/rungs.ts';
import { planConstraints } from './trees/constraints.ts';
import { linkOf } from './trees/loss.ts';
import type { RootSquared } from './trees/objective.ts';
import type { PlainError, TrainReplies, TrainReplyMessage, TrainRequestMessage } from './worker-protocol.ts';

/** The thread that trains: everything that computes for long happens here, one request at a time. */

type Loaded = {
  readonly message: Extract<TrainRequestMessage, { kind: 'load' }>;
  readonly task: LearningTask;
  readonly evaluator: Evaluator;
};
let loaded: Loaded | undefined;

/** Progress of a request goes out at most this often. */
const PROGRESS_INTERVAL_MS = 200;
let lastProgressMs = 0;

function reply(message: TrainReplyMessage): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window
  parentPort?.postMessage(message);
}

function progress(ratio: number): void {
  const now = Date.now();
  if (now - lastProgressMs < PROGRESS_INTERVAL_MS) return;
  lastProgressMs = now;
  reply({ type: 'progress', ratio });
}

parentPort?.on('message', (request: TrainRequestMessage) => {
  try {
    reply({ type: 'done', value: answer(request) });
  } catch (thrown) {
    reply({ type: 'failed', error: plainError(thrown) });
  }
});

function answer(request: TrainRequestMessage): TrainReplies[keyof TrainReplies] {
  if (request.kind === 'prepare') return prepare(request);
  if (request.kind === 'load') return load(request);
  if (request.kind === 'probe') return { errors: probeErrors(request.probe) };
  if (!loaded) throw new Error('The training thread was asked to work before it had data.');
  if (request.kind === 'evaluate') return { results: loaded.evaluator.evaluate(request.candidates, { ...request, onProgress: progress }) };
  if (request.kind === 'blend') return blend(loaded.task, request.request);
  return request.kind === 'refit' ? fit(loaded, request) : exportFitted(loaded, request);
}

function prepare(request: Extract<TrainRequestMessage, { kind: 'prepare' }>): TrainReplies['prepare'] {
  const { contract, frame, supervision, timeField, loss } = request;
  const fitted = fitSupervised(contract, frame, supervision);
  const matrix = encodeTraining(fitted, frame, sharedFloats);
  const order = timeField === undefined ? undefined : frame.columns.get(timeField);
  if (timeField === undefined || order?.kind !== 'number') return { preparation: fitted.preparation, matrix };
  const kept = withoutIdleElapsed(fitted, { timeField, order: order.values, frame, loss, matrix, supervision });
  if (kept === fitted) return { preparation: fitted.preparation, matrix };
  return { preparation: kept.preparation, matrix: encodeTraining(kept, frame, sharedFloats) };
}

function sharedFloats(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}

function load(message: Extract<TrainRequestMessage, { kind: 'load' }>): TrainReplies['load'] {
  const { task, outputCount, matrix, target, weights, queries, order, coarse, loss, root, constraints, seed, withFolds } = message;
  const isClasses = task === 'binary' || task === 'multiclass';
  const plan: FoldPlan = !withFolds
    ? { strategy: 'fixed', folds: [] }
    : order && !queries
      ? planForwardFolds(order)
      : planFolds(target, isClasses, seed, queries);
  const learning: LearningTask = {
    objective: root ?? objectiveOf(task, loss),
    constraints: planConstraints(constraints, matrix.features),
    coarse,
    outputCount,
    matrix,
    targets: { target, weights, queries },
    folds: plan.folds,
    seed,
  };
  loaded = { message, task: learning, evaluator: new Evaluator(learning) };
  return {
    strategy: plan.strategy,
    tests: plan.folds.map((fold) => fold.test),
    rungs: withFolds ? planRungs(plan.folds) : [],
    foldRowCount: meanTrainCount(plan.folds) ?? target.length,
  };
}

function meanTrainCount(folds: readonly Fold[]): number | undefined {
  return folds.length === 0 ? undefined : folds.reduce((sum, fold) => sum + fold.train.length, 0) / folds.length;
}

function fit({ task, evaluator }: Loaded, request: Extract<TrainRequestMessage, { kind: 'refit' }>): TrainReplies['refit'] {
  const { candidate, rounds, growThreads } = request;
  const onRound = (round: number) => progress(round / rounds);
  return { predictors: refit(task, evaluator, candidate, rounds, { growThreads, onRound }) };
}

function exportFitted({ message }: Loaded, request: Extract<TrainRequestMessage, { kind: 'export' }>): TrainReplies['export'] {
  const { preparation, classes, scale, metadata, members, calibration } = request;
  const predictor = predictorOf(members);
  const link = message.root ? ('root' as const) : linkOf(message.loss);
  const added = message.root && { added: missingOfSquares(message, message.root, predictor) };
  const fitted = { task: message.task, classes, preparation, predictor, calibration, link, scale: { ...scale, ...added } };
  return { fitted, bytes: exportModel(fitted, metadata) };
}

/** The mean by which squares of predicted roots fall short of the numbers: a square's mean is above the mean's square. */
function missingOfSquares(
  { matrix, target, weights }: Extract<TrainRequestMessage, { kind: 'load' }>,
  scale: RootSquared,
  predictor: Predictor,
): number {
  const numbers = numbersOf({ link: 'root', scale }, target);
  const told = numbersOf({ link: 'root', scale }, predictMargins(predictor, matrix));
  const missing = numbers.map((number, row) => number - (told[row] as number));
  return Math.max(0, weightedMean(missing, weights));
}

function plainError(thrown: unknown): PlainError {
  if (thrown instanceof PlatformError) {
    return { code: thrown.code, message: thrown.message, details: thrown.details, help: thrown.help, stack: thrown.stack };
  }
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  return { code: null, message: error.message, details: {}, help: undefined, stack: error.stack };
}
