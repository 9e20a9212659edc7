import {
  type Capacity,
  type Clock,
  Contract,
  type Frame,
  frameFromRows,
  type Json,
  parseJson,
  type Result,
  type Row,
  type Servable,
  type ServableLoader,
  type ServingSettings,
  systemClock,
  type VersionRef,
} from '@slipway/kernel';
import {
  AnswerQueue,
  type CallOptions,
  InferenceError,
  type LaneKind,
  ModelVersionError,
  type OpenModelOptions,
  type RowSource,
  invokeRows,
  openModel,
} from '@slipway/models';
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
  /** Told of every run of calls. */
  readonly onRun?: OpenModelOptions['onRun'];
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
        onRun: deps.onRun,
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
  /** Told of every run of calls. */
  readonly onRun?: OpenModelOptions['onRun'];
  readonly clock?: Pick<Clock, 'monotonicMs'>;
}

/** A model without a target, ready to answer. */
export interface UnsupervisedGraph {
  readonly capacity: Capacity;
  /** Whether calls are computed on a worker, and can be left by their callers meanwhile. */
  readonly lane: LaneKind;
  /** Rows of a call, through the queue. @throws {ModelBusyError | ModelTimeoutError} as models do. */
  answersOfRows(rows: readonly Row[], options?: CallOptions): Promise<UnsupervisedAnswer[]>;
  /** Whole tables, past the queue. */
  answersOfFrame(frame: Frame): Promise<UnsupervisedAnswer[]>;
  close(): Promise<void>;
}

export async function openUnsupervisedGraph({
  metadata,
  source,
  serving,
  onRun,
}: Pick<OpenUnsupervisedOptions, 'metadata' | 'source' | 'serving' | 'onRun'>): Promise<UnsupervisedGraph> {
  const { contract, task } = metadata;
  const width = task === 'cluster' ? metadata.count : task === 'reduce' ? metadata.count + 1 : metadata.features.length;
  const model = await openModel({ ...source, metadata: graphMetadata(contract, width), onRun, ...(serving ? { serving } : {}) });
  const scores = ({ values = new Float64Array(0) }: { readonly values?: Float64Array }) =>
    Array.from(values, (score) => scoreAnswer(score, metadata.threshold ?? 1));
  const places = async (frame: Frame): Promise<UnsupervisedAnswer[]> => {
    const { values } = await model.features(frame);
    return Array.from({ length: frame.rowCount }, (_, row) => {
      const own = Array.from(values.subarray(row * width, (row + 1) * width));
      return task === 'cluster'
        ? clusterAnswer(own)
        : { prediction: own.at(-1) ?? 0, components: own.slice(0, -1), residual: own.at(-1) ?? 0 };
    });
  };
  // A score is one number a row, which the model's own queue knows; places are several, and wait here.
  const queue = new AnswerQueue<Row, UnsupervisedAnswer>({
    answer: (rows) => places(frameFromRows(contract, rows)),
    rowLimit: model.facts.batchRows,
    lanes: model.facts.lanes,
    rowMs: model.facts.rowMs,
    model: model.capacity,
    serving,
    onRun: (facts) => onRun?.(facts, model.lane),
  });
  const isScore = task === 'anomaly';
  return {
    capacity: isScore ? model.capacity : queue,
    get lane() {
      return model.lane;
    },
    answersOfFrame: async (frame) => (isScore ? scores(await model.predict(frame)) : places(frame)),
    answersOfRows: async (rows, options) => (isScore ? scores(await model.predictRows(rows, options)) : queue.add(rows, options)),
    close: async () => {
      queue.close();
      await model.close();
    },
  };
}

/** Answers calls by a graph. */
class UnsupervisedSource implements RowSource<readonly UnsupervisedAnswer[], UnsupervisedAnswer> {
  readonly #graph: UnsupervisedGraph;

  constructor(graph: UnsupervisedGraph) {
    this.#graph = graph;
  }

  get canBeLeft(): boolean {
    return this.#graph.lane === 'worker';
  }

  compute(rows: readonly Row[], options: CallOptions): Promise<readonly UnsupervisedAnswer[]> {
    return this.#graph.answersOfRows(rows, options);
  }

  resultOf(answers: readonly UnsupervisedAnswer[], row: number): Result<UnsupervisedAnswer> {
    return resultOf(answers[row] as UnsupervisedAnswer);
  }
}

/** A model without a target as a servable: clusters, components or scores of rows. */
export async function openUnsupervised(options: OpenUnsupervisedOptions): Promise<Servable<Row, UnsupervisedAnswer>> {
  const { metadata, version, clock = systemClock } = options;
  const graph = await openUnsupervisedGraph(options);
  const source = new UnsupervisedSource(graph);
  return {
    version,
    input: metadata.contract,
    output: answerShape(metadata),
    invoke: (calls) => invokeRows(source, calls, clock.monotonicMs()),
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
