import {
  CancelledError,
  PlatformError,
  parseJson,
  systemClock,
  type Call,
  type Clock,
  type Priority,
  type Result,
  type Row,
  type Servable,
  type ServableLoader,
  type VersionRef,
} from '@slipway/kernel';
import type { Catalog } from '@slipway/catalog';
import type { Objects } from '@slipway/objects';
import { type ModelAnswer, ModelMetadata, ModelVersionMeta, answerContract } from './contract.ts';
import type { CallOptions } from './batcher.ts';
import { thresholdOf } from './group-thresholds.ts';
import { InferenceError, ModelTimeoutError, ModelVersionError } from './errors.ts';
import { type OnnxModel, type OpenModelOptions, type Predictions, openModel } from './model.ts';

/** Most bytes of stored metadata. */
export const METADATA_LIMIT_BYTES = 16 * 2 ** 20;

export interface ModelLoaderDeps {
  readonly objects: Pick<Objects, 'localPath' | 'read'>;
  readonly catalog: Pick<Catalog, 'get'>;
  readonly clock?: Pick<Clock, 'monotonicMs'>;
  readonly open?: Pick<OpenModelOptions, 'threads' | 'lane' | 'queueLimit' | 'onRun'>;
}

/** Loads versions of kind `model`: metadata and graph from the objects, checked against each other. */
export function modelLoader(deps: ModelLoaderDeps): ServableLoader {
  return {
    kind: 'model',
    async load(project, version, serving = {}) {
      const { path, metadata } = await locateModel(deps, project, version.id);
      const model = await openModel({ ...deps.open, path, metadata, serving });
      // Servable is generic in what it takes; releases hand over whatever passed the input contract.
      return createModelServable(version, model, deps.clock ?? systemClock) as Servable;
    },
  };
}

/** Where a model version's graph lies, and its metadata. @throws {ModelVersionError} when they are not what they should be. */
export async function locateModel(
  { objects, catalog }: Pick<ModelLoaderDeps, 'objects' | 'catalog'>,
  project: string,
  versionId: string,
): Promise<{ path: string; metadata: ModelMetadata }> {
  const { kind, meta } = await catalog.get(project, versionId);
  const parsed = ModelVersionMeta.safeParse(meta);
  if (kind !== 'model' || !parsed.success) throw new ModelVersionError(`The version ${versionId} is no model, or was retired.`);
  const { onnx, metadata } = parsed.data;
  const path = await objects.localPath(project, onnx);
  if (typeof metadata !== 'string') return { path, metadata };
  const text = new TextDecoder().decode(await objects.read(project, metadata, METADATA_LIMIT_BYTES));
  const stored = ModelMetadata.safeParse(parseJson(text));
  if (!stored.success)
    throw new ModelVersionError(`The metadata of the version ${versionId} cannot be read: ${stored.error.issues[0]?.message}`);
  return { path, metadata: stored.data };
}

/**
 * A loaded model as a servable: one row a call, one result a call. Rows must have passed the input contract; calls
 * that came too late, or that were cancelled while a worker was to compute them, get their error without being computed.
 */
export function createModelServable(
  version: VersionRef,
  model: OnnxModel,
  clock: Pick<Clock, 'monotonicMs'> = systemClock,
): Servable<Row, ModelAnswer> {
  return {
    version,
    input: model.metadata.contract,
    output: answerContract(model.metadata),
    invoke: (calls) => invokeModel(model, calls, clock.monotonicMs()),
    capacity: model.capacity,
    dispose: async () => model.close(),
  };
}

function invokeModel(model: OnnxModel, calls: readonly Call<Row>[], nowMs: number): Promise<Result<ModelAnswer>[]> {
  // On this thread nobody goes away between the check and the answer; looking at the signal would only make it.
  const isInline = model.lane === 'inline';
  const isLive = ({ context }: Call<Row>) => isInline && (context.deadlineMs === undefined || context.deadlineMs > nowMs);
  if (calls.every((call) => isLive(call) || refusalOf(call, nowMs) === undefined)) return answerRows(model, calls, nowMs);
  return invokeSome(model, calls, nowMs);
}

async function invokeSome(model: OnnxModel, calls: readonly Call<Row>[], nowMs: number): Promise<Result<ModelAnswer>[]> {
  const refused = calls.map((call) => refusalOf(call, nowMs));
  const live = calls.filter((_, index) => refused[index] === undefined);
  const answers = live.length === 0 ? [] : await answerRows(model, live, nowMs);
  let next = 0;
  return refused.map((error) => (error ? { status: 'error', error } : (answers[next++] as Result<ModelAnswer>)));
}

/** What calls that are answered together ask of the queue: what the most pressing of them asks, and to the latest deadline. */
function wishesOf(model: OnnxModel, calls: readonly Call<Row>[], nowMs: number): CallOptions {
  const isCancelled = model.lane === 'worker' ? () => calls.every(({ context: { signal } }) => signal?.aborted === true) : undefined;
  let priority: Priority = 'batch';
  let latestMs = Number.NEGATIVE_INFINITY;
  for (const { context } of calls) {
    if (context.priority !== 'batch') priority = 'interactive';
    latestMs = Math.max(latestMs, context.deadlineMs ?? Number.POSITIVE_INFINITY);
  }
  // The model's queue goes by the process's own time, whatever clock the caller has.
  const deadlineMs = latestMs === Number.POSITIVE_INFINITY ? undefined : performance.now() + latestMs - nowMs;
  return { priority, deadlineMs, isCancelled };
}

function refusalOf({ context: { signal, deadlineMs } }: Call<Row>, nowMs: number): PlatformError | undefined {
  if (signal?.aborted) return new CancelledError('The call was cancelled before the model answered.');
  if (deadlineMs !== undefined && deadlineMs <= nowMs)
    return new ModelTimeoutError("The call's deadline passed before the model answered.");
  return undefined;
}

async function answerRows(model: OnnxModel, calls: readonly Call<Row>[], nowMs: number): Promise<Result<ModelAnswer>[]> {
  try {
    const rows = calls.map((call) => call.input);
    const predictions = await model.predictRows(rows, wishesOf(model, calls, nowMs));
    return calls.map((call, row) => resultOf(model.metadata, predictions, row, call.input));
  } catch (thrown) {
    const error = thrown instanceof PlatformError ? thrown : new InferenceError('The model failed.', { cause: thrown });
    return calls.map(() => ({ status: 'error', error }));
  }
}

function resultOf(metadata: ModelMetadata, { probabilities, values, labels }: Predictions, row: number, input: Row): Result<ModelAnswer> {
  const { classes } = metadata;
  if (classes === null || probabilities === undefined) {
    const prediction = values?.[row] ?? Number.NaN;
    return Number.isFinite(prediction) ? { status: 'ok', output: { prediction } } : notFinite();
  }
  const byClass: Record<string, number> = {};
  for (let index = 0; index < classes.length; index += 1) {
    const probability = probabilities[row * classes.length + index] as number;
    if (!Number.isFinite(probability)) return notFinite();
    setOwn(byClass, classes[index] as string, probability);
  }
  return {
    status: 'ok',
    output: { prediction: groupLabel(metadata, probabilities, row, input) ?? (labels[row] as string), probabilities: byClass },
  };
}

/** What a group's own threshold decides; undefined for rows that are decided as all others. */
function groupLabel({ classes, groupThresholds }: ModelMetadata, probabilities: Float32Array, row: number, input: Row): string | undefined {
  if (groupThresholds === undefined || classes?.length !== 2) return undefined;
  const threshold = thresholdOf(groupThresholds, (column) => (Object.hasOwn(input, column) ? input[column] : undefined));
  if (threshold === undefined) return undefined;
  return classes[(probabilities[2 * row + 1] as number) >= threshold ? 1 : 0];
}

/** A class may be called "__proto__"; plain assignment would then change the prototype. */
function setOwn(target: Record<string, number>, key: string, value: number): void {
  if (key === '__proto__') Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else target[key] = value;
}

function notFinite(): Result<ModelAnswer> {
  return { status: 'error', error: new InferenceError('The model answered with no finite number for this row.') };
}
