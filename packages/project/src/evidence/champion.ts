import type { Comparison, ModelPredictions } from '@slipway/evaluation';
import { type Frame, INPUT_ROLES, NotFoundError, type WorkflowContext, columnKind } from '@slipway/kernel';
import { type ModelMetadata, locateModel, openModel } from '@slipway/models';
import { liveRevision } from '@slipway/releases';
import type { LaunchDefinition } from '../contract.ts';
import type { LaunchDeps } from '../launch-deps.ts';
import { type DatasetStep, LaunchedModelMeta, type PlanStep } from '../launch-state.ts';

/** What the live version says about the test rows. */
export interface Champion {
  readonly identity: Comparison['champion'];
  readonly predictions: ModelPredictions;
  readonly threshold: number | undefined;
  readonly overlap: Comparison['overlap'];
}

export interface ChampionRequest {
  readonly definition: LaunchDefinition;
  readonly plan: PlanStep;
  readonly datasets: DatasetStep;
  /** The version that is judged. */
  readonly version: string;
  readonly frame: Frame;
  /** A version that is known to have learnt from none of these rows: they are of later calls. */
  readonly unseenBy?: string | undefined;
}

/** What tells the rows that one version learnt from from those of another. @param data hash of the dataset's rows. */
export function trainedOn(definition: LaunchDefinition, data: string, { split }: Pick<PlanStep, 'split'>) {
  return { data, split: { ...split, by: definition.group ?? definition.time ?? null } };
}

/**
 * Runs the version that the release serves now on the rows the new one is judged by. Null when there is none, when it is
 * the judged version itself, or (with a note) when it answers another question or cannot read these rows.
 */
export async function runChampion(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: ChampionRequest,
): Promise<{ readonly champion: Champion | null; readonly note: string | null }> {
  const live = await liveVersion(deps, context.project, request.definition.release ?? request.definition.name);
  if (!live || live.version === request.version) return { champion: null, note: null };
  try {
    const { path, metadata } = await locateModel(deps, context.project, live.version);
    const obstacle = obstacleOf(metadata, request);
    if (obstacle) return { champion: null, note: `Not compared with the live version ${live.version}: ${obstacle}.` };
    const model = await openModel({ path, metadata });
    try {
      const { probabilities, values } = await model.predict(request.frame);
      const predictions = probabilities
        ? { probabilities: inOrderOf(probabilities, metadata.classes ?? [], request.plan.classes ?? []) }
        : { values: values ?? new Float64Array(0) };
      const overlap = await overlapOf(deps, context.project, live.version, request);
      return { champion: { identity: live, predictions, threshold: metadata.decision?.threshold, overlap }, note: null };
    } finally {
      await model.close();
    }
  } catch (error) {
    context.signal.throwIfAborted();
    const reason = error instanceof Error ? error.message : String(error);
    return { champion: null, note: `Not compared with the live version ${live.version}: ${reason}` };
  }
}

async function liveVersion(deps: LaunchDeps, project: string, name: string): Promise<Comparison['champion'] | undefined> {
  try {
    const detail = await deps.releases.get(project, name);
    const number = liveRevision(detail.traffic);
    const revision = detail.revisions.find((each) => each.number === number);
    return revision?.kind === 'model' ? { version: revision.version, release: name, revision: revision.number } : undefined;
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

/** Why a version cannot be asked about these rows. */
function obstacleOf(metadata: ModelMetadata, { definition, plan, frame }: ChampionRequest): string | undefined {
  if (metadata.target !== definition.target || metadata.task !== plan.task) return 'it predicts something else';
  const classes = new Set(plan.classes ?? []);
  if (metadata.classes && (metadata.classes.length !== classes.size || !metadata.classes.every((label) => classes.has(label))))
    return 'it knows other classes';
  if (metadata.positive !== plan.positive) return 'its positive class is another one';
  const missing = metadata.contract.fields.find(
    (field) => INPUT_ROLES.has(field.role) && frame.columns.get(field.name)?.kind !== columnKind(field),
  );
  return missing && `it needs the column "${missing.name}", which is not there in the same form`;
}

/** Probabilities with their classes in another order. */
function inOrderOf(probabilities: Float32Array, from: readonly string[], to: readonly string[]): Float32Array {
  const places = to.map((label) => from.indexOf(label));
  if (places.every((place, at) => place === at)) return probabilities;
  return Float32Array.from(probabilities, (_, at) => {
    const row = Math.floor(at / to.length);
    return probabilities[row * to.length + (places[at % to.length] as number)] as number;
  });
}

async function overlapOf(deps: LaunchDeps, project: string, version: string, request: ChampionRequest): Promise<Comparison['overlap']> {
  if (version === request.unseenBy) return 'none';
  const meta = LaunchedModelMeta.safeParse((await deps.catalog.get(project, version)).meta);
  const { content } = await deps.catalog.get(project, request.datasets.dataset);
  const own = trainedOn(request.definition, content, request.plan);
  const theirs = meta.data?.trainedOn;
  const isSame = theirs !== undefined && theirs.data === own.data && sameSplit(theirs.split, own.split);
  return isSame ? 'none' : 'possible';
}

type Split = ReturnType<typeof trainedOn>['split'];

/** With a test file of its own no training row is a test row, whatever the ratio says. */
function sameSplit(left: Split, right: Split): boolean {
  if (left.strategy !== right.strategy) return false;
  if (left.strategy === 'given') return true;
  return left.testRatio === right.testRatio && left.seed === right.seed && left.by === right.by;
}
