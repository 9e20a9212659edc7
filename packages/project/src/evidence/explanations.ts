import { type EvaluationReport, type ModelPredictions, explainModel } from '@slipway/evaluation';
import { type Frame, type WorkflowContext, takeRows } from '@slipway/kernel';
import { ExplainThread, REFERENCE_ROW_LIMIT, type TrainedModel } from '@slipway/learning';
import { createRandom } from '@slipway/statistics';
import type { LaunchDefinition } from '../contract.ts';
import { immutableOf } from '../immutable-columns.ts';
import type { LaunchDeps } from '../launch-deps.ts';
import type { LaunchedModelMeta } from '../launch-state.ts';
import type { PreparedData } from '../prepare-data.ts';

/** Largest stored explainer that is read again. */
const EXPLAINER_LIMIT_BYTES = 256 * 1024 * 1024;

interface MakeExplainer {
  readonly definition: LaunchDefinition;
  readonly trained: TrainedModel;
  readonly prepared: PreparedData;
  readonly seed: number;
}

/**
 * Takes from the training rows what explaining the model's answers will need, and stores it.
 * @returns the SHA-256 of the stored explainer.
 */
export async function makeExplainer(deps: LaunchDeps, context: WorkflowContext, parts: MakeExplainer): Promise<string> {
  const { definition, trained, prepared, seed } = parts;
  await context.progress({ phase: 'explain', message: 'preparing to explain answers' });
  const { frame, target } = prepared.train;
  const count = Math.min(frame.rowCount, REFERENCE_ROW_LIMIT);
  const rows = createRandom(`explainer-rows:${seed}`).sampleWithoutReplacement(frame.rowCount, count).toSorted();
  const thread = new ExplainThread();
  try {
    const { bytes } = await thread.build(
      {
        fitted: trained.fitted,
        contract: trained.contract,
        frame: inputsOf(takeRows(frame, rows), trained),
        rows,
        target: Float64Array.from(rows, (row) => target[row] as number),
        immutable: immutableOf(definition),
        hasSubject: definition.subject !== undefined,
        seed,
      },
      context.signal,
    );
    return (await deps.objects.put(context.project, bytes)).sha256;
  } finally {
    await thread.close();
  }
}

/** Only the columns the model reads cross to the thread. */
function inputsOf(frame: Frame, { contract }: Pick<TrainedModel, 'contract'>): Frame {
  const used = contract.fields.flatMap((field) => {
    const column = frame.columns.get(field.name);
    return column ? [[field.name, column] as const] : [];
  });
  return { rowCount: frame.rowCount, columns: new Map(used) };
}

interface ExplainReport {
  readonly definition: LaunchDefinition;
  readonly prepared: PreparedData;
  readonly meta: LaunchedModelMeta;
  readonly predict: (frame: Frame) => Promise<ModelPredictions>;
  readonly contract: TrainedModel['contract'];
}

/** The explanations section of a version's report; null for a version without an explainer. */
export async function explanationsOf(
  deps: Pick<LaunchDeps, 'objects'>,
  context: WorkflowContext,
  parts: ExplainReport,
): Promise<EvaluationReport['explanations']> {
  const { definition, prepared, meta, predict, contract } = parts;
  if (meta.explainer === undefined) return null;
  const sha256 = meta.explainer;
  await context.progress({ phase: 'explain', ratio: 0 });
  const thread = new ExplainThread();
  const close = () => void thread.close();
  context.signal.addEventListener('abort', close, { once: true });
  const stored = { key: sha256, read: () => deps.objects.read(context.project, sha256, EXPLAINER_LIMIT_BYTES) };
  try {
    const facts = await thread.load(stored.key, stored.read);
    return await explainModel({
      frame: prepared.test.frame,
      classes: prepared.classes,
      positive: prepared.positive,
      space: facts.space,
      method: facts.method,
      size: facts,
      contributions: (frame) => thread.contributions(stored, inputsOf(frame, { contract })),
      interactions: (frame) => thread.interactions(stored, inputsOf(frame, { contract })),
      predict,
      showsRows: definition.subject === undefined,
      unplottable: new Set(contract.fields.filter((field) => field.role === 'text').map((field) => field.name)),
      seed: definition.split.seed,
      signal: context.signal,
      onProgress: (ratio) => void context.progress({ phase: 'explain', ratio }).catch(() => {}),
    });
  } finally {
    context.signal.removeEventListener('abort', close);
    await thread.close();
  }
}
