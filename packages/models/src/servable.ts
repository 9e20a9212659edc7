import {
  parseJson,
  systemClock,
  type Clock,
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
import { InferenceError, ModelVersionError } from './errors.ts';
import { type RowSource, invokeRows } from './invoke-rows.ts';
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
  const source = new ModelSource(model);
  return {
    version,
    input: model.metadata.contract,
    output: answerContract(model.metadata),
    invoke: (calls) => invokeRows(source, calls, clock.monotonicMs()),
    capacity: model.capacity,
    dispose: async () => model.close(),
  };
}

/** A loaded model as what answers rows. */
class ModelSource implements RowSource<Predictions, ModelAnswer> {
  readonly #model: OnnxModel;

  constructor(model: OnnxModel) {
    this.#model = model;
  }

  get canBeLeft(): boolean {
    return this.#model.lane === 'worker';
  }

  compute(rows: readonly Row[], options: CallOptions): Promise<Predictions> {
    return this.#model.predictRows(rows, options);
  }

  resultOf(predictions: Predictions, row: number, input: Row): Result<ModelAnswer> {
    return resultOf(this.#model.metadata, predictions, row, input);
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
