import {
  type Call,
  CancelledError,
  type Capacity,
  type Clock,
  Contract,
  type Frame,
  frameFromRows,
  type Json,
  parseJson,
  PlatformError,
  type Result,
  type Row,
  type Servable,
  type ServableLoader,
  type ServingSettings,
  systemClock,
  type VersionRef,
} from '@slipway/kernel';
import { InferenceError, ModelTimeoutError, ModelVersionError, openModel } from '@slipway/models';
import { type UnsupervisedAnswer, UnsupervisedMetadata, UnsupervisedVersionMeta } from './contract.ts';
import { lazyExplainer } from '../explain/lazy-explainer.ts';
import { PLAIN_DATA_LIMIT_BYTES } from '../explain/plain-data.ts';
import { UnsupervisedExplainer, unpackUnsupervisedExplainer } from './explain.ts';
import { graphMetadata } from './export.ts';
import { nearestOf } from './fit.ts';

/** Most bytes of stored metadata. */
const METADATA_LIMIT_BYTES = 16 * 2 ** 20;

export interface UnsupervisedLoaderDeps {
  readonly catalog: { get(project: string, id: string): Promise<{ readonly kind: string; readonly meta: Json }> };
  readonly objects: {
    localPath(project: string, sha256: string): Promise<string>;
    read(project: string, sha256: string, limitBytes?: number): Promise<Uint8Array>;
  };
  readonly clock?: Pick<Clock, 'monotonicMs'>;
}

/** Loads versions of kind `model`: those without a target here, all others by `otherwise`. */
export function unsupervisedLoader(deps: UnsupervisedLoaderDeps, otherwise: ServableLoader): ServableLoader {
  return {
    kind: 'model',
    async load(project, version, serving) {
      const { meta } = await deps.catalog.get(project, version.id);
      const parsed = UnsupervisedVersionMeta.safeParse(meta);
      if (!parsed.success) return otherwise.load(project, version, serving);
      const metadata = await readUnsupervised(deps, project, parsed.data);
      const path = await deps.objects.localPath(project, parsed.data.onnx);
      // Servable is generic in what it takes; releases hand over whatever passed the input contract.
      return (await openUnsupervised({
        version,
        metadata,
        source: { path },
        serving: serving ?? {},
        explainer: explainerReader(deps, project, parsed.data.explainer),
        clock: deps.clock ?? systemClock,
      })) as Servable;
    },
  };
}

/** How a stored explainer is read; undefined where a version has none. */
function explainerReader({ objects }: UnsupervisedLoaderDeps, project: string, sha256: string | undefined) {
  return sha256 === undefined ? undefined : () => objects.read(project, sha256, PLAIN_DATA_LIMIT_BYTES);
}

/** @throws {ModelVersionError} when the stored metadata cannot be read. */
export async function readUnsupervised(
  { objects }: Pick<UnsupervisedLoaderDeps, 'objects'>,
  project: string,
  meta: UnsupervisedVersionMeta,
): Promise<UnsupervisedMetadata> {
  const text = new TextDecoder().decode(await objects.read(project, meta.metadata, METADATA_LIMIT_BYTES));
  const stored = UnsupervisedMetadata.safeParse(parseJson(text));
  if (stored.success) return stored.data;
  throw new ModelVersionError(`The metadata of the version cannot be read: ${stored.error.issues[0]?.message}`);
}

export interface OpenUnsupervisedOptions {
  readonly version: VersionRef;
  readonly metadata: UnsupervisedMetadata;
  readonly source: { readonly path: string } | { readonly bytes: Uint8Array };
  /** Reads the stored explainer; called when an explanation is first asked for. */
  readonly explainer?: (() => Promise<Uint8Array>) | undefined;
  readonly serving?: ServingSettings | undefined;
  readonly clock?: Pick<Clock, 'monotonicMs'>;
}

/** A model without a target, ready to answer. */
export interface UnsupervisedGraph {
  readonly capacity: Capacity;
  answersOfRows(rows: readonly Row[]): Promise<UnsupervisedAnswer[]>;
  answersOfFrame(frame: Frame): Promise<UnsupervisedAnswer[]>;
  close(): Promise<void>;
}

export async function openUnsupervisedGraph({
  metadata,
  source,
  serving,
}: Pick<OpenUnsupervisedOptions, 'metadata' | 'source' | 'serving'>): Promise<UnsupervisedGraph> {
  const width = metadata.task === 'cluster' ? metadata.count : metadata.task === 'reduce' ? metadata.count + 1 : metadata.features.length;
  const model = await openModel({ ...source, metadata: graphMetadata(metadata.contract, width), ...(serving ? { serving } : {}) });
  const scores = ({ values = new Float64Array(0) }: { readonly values?: Float64Array }) =>
    Array.from(values, (score) => scoreAnswer(score, metadata.threshold ?? 1));
  const answersOfFrame = async (frame: Frame): Promise<UnsupervisedAnswer[]> => {
    if (metadata.task === 'anomaly') return scores(await model.predict(frame));
    const { values } = await model.features(frame);
    return Array.from({ length: frame.rowCount }, (_, row) => {
      const own = Array.from(values.subarray(row * width, (row + 1) * width));
      return metadata.task === 'cluster'
        ? clusterAnswer(own)
        : { prediction: own.at(-1) ?? 0, components: own.slice(0, -1), residual: own.at(-1) ?? 0 };
    });
  };
  return {
    capacity: model.capacity,
    answersOfFrame,
    answersOfRows: async (rows) =>
      metadata.task === 'anomaly' ? scores(await model.predictRows(rows)) : answersOfFrame(frameFromRows(metadata.contract, rows)),
    close: async () => model.close(),
  };
}

/** A model without a target as a servable: clusters, components or scores of rows. */
export async function openUnsupervised(options: OpenUnsupervisedOptions): Promise<Servable<Row, UnsupervisedAnswer>> {
  const { metadata, version, clock = systemClock } = options;
  const graph = await openUnsupervisedGraph(options);
  return {
    version,
    input: metadata.contract,
    output: answerShape(metadata),
    invoke: async (calls) => {
      const nowMs = clock.monotonicMs();
      const refused = calls.map((call) => refusalOf(call, nowMs));
      const live = calls.filter((_, index) => refused[index] === undefined);
      try {
        const found = live.length === 0 ? [] : await graph.answersOfRows(live.map((call) => call.input));
        let next = 0;
        return refused.map((error): Result<UnsupervisedAnswer> =>
          error ? { status: 'error', error } : resultOf(found[next++] as UnsupervisedAnswer),
        );
      } catch (thrown) {
        const error = thrown instanceof PlatformError ? thrown : new InferenceError('The model failed.', { cause: thrown });
        return calls.map(() => ({ status: 'error', error }));
      }
    },
    explain: lazyExplainer(version, options.explainer, (bytes) => {
      const explainer = new UnsupervisedExplainer(unpackUnsupervisedExplainer(bytes), metadata.contract);
      return (row, asked) => explainer.explain(row, asked);
    }),
    capacity: graph.capacity,
    dispose: () => graph.close(),
  };
}

function clusterAnswer(distances: readonly number[]): UnsupervisedAnswer {
  const nearest = nearestOf(distances, distances.length)[0] ?? 0;
  return { prediction: String(nearest + 1), cluster: nearest + 1, distance: distances[nearest] ?? 0 };
}

function scoreAnswer(score: number, threshold: number): UnsupervisedAnswer {
  const isAnomaly = score > threshold;
  return { prediction: isAnomaly ? 'anomaly' : 'usual', score, isAnomaly };
}

function resultOf(output: UnsupervisedAnswer): Result<UnsupervisedAnswer> {
  const numbers = [output.distance, output.residual, output.score, ...(output.components ?? [])];
  if (numbers.every((value) => value === undefined || Number.isFinite(value))) return { status: 'ok', output };
  return { status: 'error', error: new InferenceError('The model answered with no finite number for this row.') };
}

function refusalOf({ context: { signal, deadlineMs } }: Call<Row>, nowMs: number): PlatformError | undefined {
  if (signal?.aborted) return new CancelledError('The call was cancelled before the model answered.');
  if (deadlineMs !== undefined && deadlineMs <= nowMs)
    return new ModelTimeoutError("The call's deadline passed before the model answered.");
  return undefined;
}

/** The contract of the answers, for monitors and clients. */
function answerShape({ task, count }: UnsupervisedMetadata): Contract {
  const shared = { nullable: false, severity: 'error' } as const;
  const number = (name: string) => ({ name, type: 'float64', role: 'numeric', ...shared });
  const label = (allowedValues: string[]) => ({
    name: 'prediction',
    type: 'string',
    role: 'categorical',
    expect: { allowedValues },
    ...shared,
  });
  const fields =
    task === 'cluster'
      ? [
          label(Array.from({ length: count }, (_, at) => String(at + 1))),
          { name: 'cluster', type: 'int64', role: 'ignored', ...shared },
          number('distance'),
        ]
      : task === 'reduce'
        ? [number('prediction'), { name: 'components', type: 'json', role: 'ignored', ...shared }, number('residual')]
        : [label(['usual', 'anomaly']), number('score'), { name: 'isAnomaly', type: 'boolean', role: 'ignored', ...shared }];
  return Contract.parse({ format: 'slipway.contract/1', fields });
}
