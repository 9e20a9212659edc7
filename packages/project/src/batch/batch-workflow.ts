import { type Json, type WorkflowContext, type WorkflowDefinition, canonicalJson, defineWorkflow } from '@slipway/kernel';
import { hashJson } from '@slipway/kernel/hash';
import { locateModel } from '@slipway/models';
import { liveRevision } from '@slipway/releases';
import { BatchInvalidError } from '../errors.ts';
import type { LaunchDeps } from '../launch-deps.ts';
import { columnNames } from './answer-frame.ts';
import type { BatchSetup } from './batch-messages.ts';
import { BatchProcess } from './batch-process.ts';
import { type BatchProgress, batchProgress } from './batch-progress.ts';
import { BatchShards } from './batch-shards.ts';
import { JoinedStep, OpenedStep, type PredictionsMeta, SHARD_ROWS, ShardStep } from './batch-state.ts';
import { BatchRequest, type BatchResult } from './contract.ts';

export const BATCH_WORKFLOW = 'project.batch';
export const BATCH_QUEUE = 'batch';

export interface BatchDeps extends Pick<LaunchDeps, 'records' | 'objects' | 'catalog' | 'releases' | 'clock' | 'audit'> {
  /** A folder for the tables' temporary files. */
  readonly workDirectory: string;
  readonly threads: number;
}

/**
 * `table -> shards -> one file of predictions`. The release's revision is pinned when the run starts. Each shard is a durable step: a killed
 * run continues with the shard it was in. The work itself is done in a process of its own, which has begun the next shard by then.
 */
export function batchWorkflow(deps: BatchDeps): WorkflowDefinition {
  return defineWorkflow({
    name: BATCH_WORKFLOW,
    version: 1,
    input: BatchRequest,
    queue: BATCH_QUEUE,
    run: async (context, request) => asJson(await predictTable(deps, context, request)),
  });
}

const asJson = (value: unknown): Json => JSON.parse(canonicalJson(value)) as Json;

/** One run in hand. */
interface Batch {
  readonly deps: BatchDeps;
  readonly context: WorkflowContext;
  readonly request: BatchRequest;
  readonly worker: BatchProcess;
  /** Known once the table is open. */
  pinned: { readonly revision: number; readonly version: string } | undefined;
}

async function predictTable(deps: BatchDeps, context: WorkflowContext, request: BatchRequest): Promise<BatchResult> {
  const batch: Batch = { deps, context, request, worker: new BatchProcess(() => setupOf(batch), context.signal), pinned: undefined };
  let shards: BatchShards | undefined;
  try {
    const opened = OpenedStep.parse(await context.step('open', async () => asJson(await openStep(batch))));
    batch.pinned = opened;
    const progress = batchProgress(context, deps.clock, { rows: opened.rows, shards: Math.ceil(opened.rows / SHARD_ROWS) });
    const { objects } = deps;
    const made = (shards = new BatchShards({ objects, project: context.project, worker: batch.worker, opened, onRows: progress.add }));
    const done = await runShards(batch, made, progress);
    const joined = JoinedStep.parse(await context.step('join', async () => asJson(await joinStep(batch, opened, made, done))));
    const predictions = (await context.step('register', async () => registerStep(batch, opened, done, joined))) as string;
    const rejected = done.reduce((sum, shard) => sum + shard.rejected, 0);
    await context.progress({ phase: 'done', ratio: 1, message: `${opened.rows - rejected} rows predicted, ${rejected} set aside` });
    const { release, format } = request;
    const { revision, version, rows, notes } = opened;
    const counts = { rows, predicted: rows - rejected, rejected, shards: done.length };
    return { release, revision, version, predictions, ...counts, format, ...joined, notes, run: context.run };
  } finally {
    batch.worker.close();
    await shards?.discard();
  }
}

async function setupOf({ deps, context, pinned }: Batch): Promise<BatchSetup> {
  if (!pinned) throw new Error('Broken invariant: a batch has its version before its first order');
  const { path, metadata } = await locateModel(deps, context.project, pinned.version);
  return { workDirectory: deps.workDirectory, threads: deps.threads, modelPath: path, metadata };
}

/** Pins the version, opens the table (as Parquet, whatever it was) and refuses what cannot work before the first row. */
async function openStep(batch: Batch): Promise<OpenedStep> {
  const { deps, context, request, worker } = batch;
  const { project } = context;
  const { objects } = deps;
  const pinned = await pinVersion(deps, project, request);
  batch.pinned = pinned;
  await context.progress({ phase: 'open', message: request.input.fileName });
  const { metadata } = await locateModel(deps, project, pinned.version);
  const target = await objects.temporaryPath(project);
  let shown = 0;
  const { source, absent, extra } = await worker.ask(
    { type: 'open', path: await objects.localPath(project, request.input.sha256), read: request.read, target },
    {
      onRatio: (ratio) => {
        if (ratio - shown < 0.02) return;
        shown = ratio;
        context.progress({ phase: 'open', message: request.input.fileName, ratio }).catch(() => {});
      },
    },
  );
  const names = source.columns.map((column) => column.name);
  const keep = keptColumns(request, names, metadata.classes ?? []);
  const sha256 = source.converted ? (await objects.putFile(project, target)).sha256 : request.input.sha256;
  const notes = [
    ...(absent.length > 0 ? [`${listed(absent)} not in the table and read as missing`] : []),
    ...(extra.length > 0 ? [`${listed(extra)} not known to the model and left out`] : []),
    ...source.notes.map(({ column, note }) => (column === null ? note : `${column}: ${note}`)),
  ];
  return { ...pinned, source: sha256, rows: source.rows, notes: notes.slice(0, 100), keep };
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return `${shown}${names.length > 5 ? ` and ${names.length - 5} more` : ''} ${names.length === 1 ? 'is' : 'are'}`;
}

async function pinVersion(
  deps: BatchDeps,
  project: string,
  { release: name, revision }: BatchRequest,
): Promise<{ revision: number; version: string }> {
  const release = await deps.releases.get(project, name);
  const number = revision ?? liveRevision(release.traffic) ?? 0;
  const { version, kind } = await deps.releases.revision(project, name, number);
  const { meta } = await deps.catalog.get(project, version);
  const isForecaster = meta !== null && typeof meta === 'object' && 'state' in meta;
  if (kind !== 'model' || isForecaster) {
    const what = isForecaster ? 'a forecaster, which answers by series, not by row' : `of kind "${kind}"`;
    throw new BatchInvalidError(`Release "${name}" serves ${what}; tables can be predicted by models of rows only.`, {
      details: { field: 'release' },
    });
  }
  return { revision: number, version };
}

/** @throws {BatchInvalidError} for columns that are not there, or whose names the answers need. */
function keptColumns({ keep }: BatchRequest, names: readonly string[], classes: readonly string[]): string[] {
  const wanted = keep === 'all' ? names : keep;
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new BatchInvalidError(`The table has no column "${unknown}" to keep.`, {
      details: { field: 'keep', columns: names.slice(0, 100) },
    });
  }
  const taken = new Set(['row', 'prediction', 'probability', ...columnNames(classes)].map((name) => name.toLowerCase()));
  const clash = wanted.find((name) => taken.has(name.toLowerCase()));
  if (clash === undefined) return [...wanted];
  if (keep === 'all') return wanted.filter((name) => !taken.has(name.toLowerCase()));
  throw new BatchInvalidError(`The column "${clash}" cannot be kept: the answers have a column of that name.`, {
    details: { field: 'keep' },
  });
}

async function runShards({ context }: Batch, shards: BatchShards, progress: BatchProgress): Promise<ShardStep[]> {
  const done: ShardStep[] = [];
  for (let number = 0; number < shards.count; number += 1) {
    const work = async () => {
      await progress.begin(number, number * SHARD_ROWS);
      return asJson(await shards.take(number));
    };
    done.push(ShardStep.parse(await context.step(`shard ${number}`, work)));
  }
  return done;
}

async function joinStep(batch: Batch, opened: OpenedStep, shards: BatchShards, done: readonly ShardStep[]): Promise<JoinedStep> {
  const { context, deps } = batch;
  await context.progress({ phase: 'join', message: `${done.length} shards` });
  const whole: ShardStep[] = [];
  for (const [number, shard] of done.entries()) whole.push(await presentShard(batch, shards, shard, number));
  const join = async (hashes: readonly string[], expectedRows: number) => {
    if (hashes.length === 0) return null;
    const files: string[] = [];
    for (const sha256 of hashes) files.push(await deps.objects.localPath(context.project, sha256));
    const target = await deps.objects.temporaryPath(context.project);
    const { rows } = await batch.worker.ask({ type: 'join', files, format: batch.request.format, target });
    if (rows !== expectedRows) throw new Error(`Broken invariant: ${rows} rows were joined, not ${expectedRows}`);
    return deps.objects.putFile(context.project, target);
  };
  const rejected = whole.reduce((sum, shard) => sum + shard.rejected, 0);
  const output = await join(
    whole.flatMap((shard) => shard.output ?? []),
    opened.rows - rejected,
  );
  const rejects = await join(
    whole.flatMap((shard) => shard.rejects ?? []),
    rejected,
  );
  return { output, rejects };
}

/** The shard, made again when its files are gone: another run over the same rows has tidied them away. */
async function presentShard({ deps, context }: Batch, shards: BatchShards, shard: ShardStep, number: number): Promise<ShardStep> {
  for (const sha256 of [shard.output, shard.rejects]) {
    if (sha256 !== null && !(await deps.objects.has(context.project, sha256))) return shards.again(number);
  }
  return shard;
}

/** The predictions as a version with the model as its parent; shards are not needed any more. */
async function registerStep(
  { deps, context, request }: Batch,
  opened: OpenedStep,
  shards: readonly ShardStep[],
  joined: JoinedStep,
): Promise<string> {
  const { project, run, principal } = context;
  const rejected = shards.reduce((sum, shard) => sum + shard.rejected, 0);
  const { release, format, input, keep } = request;
  const { revision, version: model, rows } = opened;
  const meta: PredictionsMeta = { ...joined, format, rows, rejected, release, revision, source: { ...input } };
  const { version } = await deps.records.transaction((tx) =>
    deps.catalog.register(tx, {
      project,
      kind: 'predictions',
      name: release,
      // Each run is recorded, also when it predicts the same rows again.
      recipe: hashJson({ kind: 'slipway.predictions/1', model, input: input.sha256, format, keep, run }),
      content: hashJson(joined),
      run,
      principal: principal.id,
      meta: asJson(meta),
      parents: [{ id: model, role: 'model' }],
    }),
  );
  const kept = new Set([joined.output?.sha256, joined.rejects?.sha256, input.sha256]);
  const spent = [...shards.flatMap((shard) => [shard.output, shard.rejects]), opened.source];
  for (const sha256 of spent) if (sha256 !== null && !kept.has(sha256)) await deps.objects.delete(project, sha256);
  return version.id;
}
