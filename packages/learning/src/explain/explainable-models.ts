import {
  type Call,
  type Counterfactual,
  type ExplainOptions,
  type Explanation,
  InvalidError,
  parseJson,
  type Row,
  type Servable,
  type ServableLoader,
} from '@slipway/kernel';
import { METADATA_LIMIT_BYTES, ModelMetadata, thresholdOf } from '@slipway/models';
import { NotExplainableError } from '../errors.ts';
import { RulesExplainer } from '../rules/explain-rules.ts';
import type { ExplainThread } from './explain-thread.ts';
import type { DraftExplanation } from './explainer.ts';
import { PLAIN_DATA_LIMIT_BYTES } from './plain-data.ts';

/** Without a threshold of its own a version decides for the likelier class. */
const THRESHOLD_DEFAULT = 0.5;

export interface ExplainableDeps {
  readonly catalog: { get(project: string, id: string): Promise<{ readonly meta: unknown }> };
  readonly objects: { read(project: string, sha256: string, limitBytes?: number): Promise<Uint8Array> };
  readonly thread: ExplainThread;
}

/** Wraps a loader of models, so that what it loads can say why it answers as it does. The explainer is read when first asked. */
export function explainableModels(loader: ServableLoader, deps: ExplainableDeps): ServableLoader {
  return {
    kind: loader.kind,
    async load(project, version, serving) {
      const servable = await loader.load(project, version, serving);
      const { meta } = await deps.catalog.get(project, version.id);
      return explainable(servable, deps, { project, meta });
    },
  };
}

interface Stored {
  readonly project: string;
  /** The version's, from the catalog. */
  readonly meta: unknown;
}

function explainable(servable: Servable, deps: ExplainableDeps, stored: Stored): Servable {
  const { objects, thread } = deps;
  const { project } = stored;
  const sha256 = textAt(stored.meta, 'explainer');
  let thresholds: Promise<(row: Row) => number> | undefined;
  if (textAt(stored.meta, 'trainer') === 'rules') return withExplain(servable, explainByRules(servable, deps, stored));
  const explain = async (calls: readonly Call<unknown>[], options: ExplainOptions): Promise<Explanation[]> => {
    if (sha256 === undefined) {
      throw new NotExplainableError(`The version ${servable.version.id} has no explainer beside it.`, {
        help: 'Launch it again: explainers are made with the models that Slipway trains.',
      });
    }
    checkNames(servable, options);
    const read = () => objects.read(project, sha256, PLAIN_DATA_LIMIT_BYTES);
    const rows = calls.map((call) => call.input as Row);
    const thresholdOfRow =
      options.counterfactuals === 0
        ? () => THRESHOLD_DEFAULT
        : await (thresholds ??= thresholdsFor(deps, stored).catch((error: unknown) => {
            thresholds = undefined;
            throw error;
          }));
    const drafts = await thread.explain({ key: `${project}/${sha256}`, read }, rows, options, {
      threshold: THRESHOLD_DEFAULT,
      byRow: options.counterfactuals === 0 ? [] : rows.map(thresholdOfRow),
    });
    return Promise.all(drafts.map((draft, at) => verified(servable, calls[at] as Call<unknown>, draft, options)));
  };
  return withExplain(servable, explain);
}

function withExplain(servable: Servable, explain: NonNullable<Servable['explain']>): Servable {
  // The servable may be a class with private state, so its methods keep their own `this`.
  return {
    version: servable.version,
    input: servable.input,
    output: servable.output,
    invoke: (calls) => servable.invoke(calls),
    ...(servable.stream
      ? { stream: (call: Call<unknown>) => (servable.stream as NonNullable<Servable['stream']>).call(servable, call) }
      : {}),
    explain,
    capacity: servable.capacity,
    dispose: async () => servable.dispose?.(),
  };
}

/** Rules are in the version's metadata; what they answered is asked of the version itself. */
function explainByRules(servable: Servable, deps: ExplainableDeps, stored: Stored): NonNullable<Servable['explain']> {
  const open = async () => {
    const metadata = await readMetadata(deps, stored);
    if (!metadata) throw new NotExplainableError(`The metadata of the version ${servable.version.id} cannot be read.`);
    return new RulesExplainer({ contract: metadata.contract, params: metadata.params, facts: metadata.notes?.['rules'] });
  };
  let opened: Promise<RulesExplainer> | undefined;
  return async (calls, options) => {
    checkNames(servable, options);
    opened ??= open().catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    const explainer = await opened;
    const results = await servable.invoke(calls);
    return calls.map(({ input }, at) => {
      const result = results[at];
      const answer = result && answerOf(result);
      if (!answer) throw new NotExplainableError('The version has no answer to this row.');
      return explainer.explain(input as Row, answer, options);
    });
  };
}

function checkNames({ input }: Servable, { immutable }: ExplainOptions): void {
  const known = new Set([...input.fields.map((field) => field.name), ...input.ignored]);
  const unknown = immutable.find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new InvalidError(`There is no column "${unknown}" (explain.immutable).`, {
      details: { field: 'explain.immutable', got: unknown },
    });
}

/** Keeps the counterfactuals that the served version itself decides otherwise, with what it says of them. */
async function verified(servable: Servable, call: Call<unknown>, draft: DraftExplanation, options: ExplainOptions): Promise<Explanation> {
  if (options.counterfactuals === 0) return draft.explanation;
  const rows = [call.input, ...draft.found.map((each) => each.row)];
  const [own, ...results] = await servable.invoke(rows.map((input) => ({ input, context: call.context })));
  const before = own && answerOf(own);
  const counterfactuals: Counterfactual[] = [];
  draft.found.forEach((each, at) => {
    const result = results[at];
    const answer = result && answerOf(result);
    if (!answer || !before || !isWanted(before.prediction, answer.prediction, options)) return;
    counterfactuals.push({ changes: [...each.changes], ...answer, distance: each.distance });
  });
  const notes = [...(draft.explanation.notes ?? [])];
  if (counterfactuals.length === 0 && draft.searched)
    notes.push('No change of a few columns within what the training data holds leads to another decision.');
  return { ...draft.explanation, counterfactuals, ...(notes.length > 0 ? { notes } : {}) };
}

type Answer = { readonly prediction: string | number; readonly probabilities?: Record<string, number> };

function answerOf(result: Awaited<ReturnType<Servable['invoke']>>[number]): Answer | undefined {
  if (result.status !== 'ok' || result.output === null || typeof result.output !== 'object' || !('prediction' in result.output))
    return undefined;
  const { prediction, probabilities } = result.output as Answer;
  return { prediction, ...(probabilities ? { probabilities } : {}) };
}

function isWanted(before: string | number, after: string | number, { wanted }: ExplainOptions): boolean {
  if (!wanted) return after !== before;
  if ('label' in wanted) return after === wanted.label;
  // The served graph and the trainer may differ by the parity they were checked to.
  const slack = 1e-5 * Math.max(1, Math.abs(Number(after)));
  return 'atLeast' in wanted ? Number(after) >= wanted.atLeast - slack : Number(after) <= wanted.atMost + slack;
}

function textAt(meta: unknown, key: string): string | undefined {
  if (meta === null || typeof meta !== 'object') return undefined;
  const value = (meta as Record<string, unknown>)[key];
  return typeof value === 'string' ? value : undefined;
}

async function readMetadata({ objects }: ExplainableDeps, { project, meta }: Stored): Promise<ModelMetadata | undefined> {
  const stored = meta !== null && typeof meta === 'object' && 'metadata' in meta ? meta.metadata : undefined;
  const value =
    typeof stored === 'string' ? parseJson(new TextDecoder().decode(await objects.read(project, stored, METADATA_LIMIT_BYTES))) : stored;
  return ModelMetadata.safeParse(value).data;
}

/** How a version decides about rows: its metadata says when that is not for the likelier class. */
async function thresholdsFor(deps: ExplainableDeps, stored: Stored): Promise<(row: Row) => number> {
  const metadata = await readMetadata(deps, stored);
  const common = metadata?.decision?.threshold ?? THRESHOLD_DEFAULT;
  const groups = metadata?.groupThresholds ?? [];
  return (row) => thresholdOf(groups, (column) => (Object.hasOwn(row, column) ? row[column] : undefined)) ?? common;
}
