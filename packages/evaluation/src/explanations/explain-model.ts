import { type Frame, takeRows } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import type { ModelPredictions } from '../inputs.ts';
import {
  CONTRIBUTION_POINT_LIMIT,
  DEPENDENCE_FIELD_LIMIT,
  EXPLAINED_FIELD_LIMIT,
  EXPLAINED_OUTPUT_LIMIT,
  Explanations,
  INTERACTION_PAIR_LIMIT,
} from './contract.ts';
import { partialDependence, plotValue } from './partial-dependence.ts';

/** Rows that contributions are averaged over at most, a seeded sample of the test rows. */
export const EXPLANATION_ROW_LIMIT = 500;
/** Rows of partial dependence: each is predicted once a value of each grid. */
export const DEPENDENCE_ROW_LIMIT = 200;
const INTERACTION_ROW_LIMIT = 100;
/** Leaves of trees that are walked in all; large models are explained on fewer rows. */
const CONTRIBUTION_WORK_LIMIT = 20_000_000;
const INTERACTION_WORK_LIMIT = 2_000_000;
/** Interactions are a square matrix of the encoded features, once a row. */
const INTERACTION_FEATURE_LIMIT = 200;
const ROWS_MIN = 20;

/** Contributions of rows by field, as the explainer of a model gives them: row-major [rowCount × outputCount × fields]. */
export interface ContributionsByField {
  readonly rowCount: number;
  readonly outputCount: number;
  readonly fields: readonly string[];
  readonly base: readonly number[];
  readonly contributions: Float64Array;
  readonly additivityError: number;
}

export interface ExplainModelRequest {
  readonly frame: Frame;
  readonly classes: readonly string[] | null;
  readonly positive: string | null;
  readonly space: string;
  readonly method: string;
  /** How large the model is: leaves of all trees, and encoded features. */
  readonly size: { readonly leaves: number; readonly features: number };
  readonly contributions: (frame: Frame) => Promise<ContributionsByField>;
  readonly interactions: (frame: Frame) => Promise<readonly { readonly fields: readonly [string, string]; readonly strength: number }[]>;
  /** Answers of the model as it is served. */
  readonly predict: (frame: Frame) => Promise<ModelPredictions>;
  /** Whether single rows' values may be shown; false when the data says whose rows they are. */
  readonly showsRows: boolean;
  /** Fields whose text is too long for the axis of a plot. */
  readonly unplottable?: ReadonlySet<string>;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((ratio: number) => void) | undefined;
}

/** The explanations section of a report: importance by mean |SHAP|, interactions, partial dependence. Deterministic by seed. */
export async function explainModel(request: ExplainModelRequest): Promise<Explanations> {
  const { frame, classes, positive, size, onProgress } = request;
  const random = createRandom(`explanations:${request.seed}`);
  const take = (limit: number, label: string) => {
    const rows = Math.max(1, Math.min(frame.rowCount, limit));
    return rows === frame.rowCount ? frame : takeRows(frame, random.fork(label).sampleWithoutReplacement(frame.rowCount, rows).toSorted());
  };
  const affordable = (limit: number, work: number) => Math.min(limit, Math.max(ROWS_MIN, Math.floor(work / Math.max(1, size.leaves))));
  const explained = take(affordable(EXPLANATION_ROW_LIMIT, CONTRIBUTION_WORK_LIMIT), 'rows');
  const found = await request.contributions(explained);
  onProgress?.(0.3);
  const shown = outputsShown(found, classes);
  const fields = effectsOf(found, shown);
  const strongest = fields
    .filter((each) => each.meanAbsolute > 0)
    .slice(0, DEPENDENCE_FIELD_LIMIT)
    .map((each) => each.field);
  const interactionFrame = take(affordable(INTERACTION_ROW_LIMIT, INTERACTION_WORK_LIMIT), 'interactions');
  const pairs = size.features > INTERACTION_FEATURE_LIMIT || found.fields.length < 2 ? null : await request.interactions(interactionFrame);
  onProgress?.(0.5);
  const dependenceFrame = take(DEPENDENCE_ROW_LIMIT, 'dependence');
  const plotted = strongest.filter((field) => request.unplottable?.has(field) !== true);
  const dependence = await partialDependence({
    frame: dependenceFrame,
    predict: request.predict,
    fields: plotted,
    outputs: classes === null ? null : answersShown(shown, classes),
    outputCount: classes?.length ?? 1,
    signal: request.signal,
  });
  onProgress?.(1);
  return Explanations.parse({
    method: request.method,
    space: request.space,
    rows: explained.rowCount,
    outputs: shown.map((output) => (classes === null ? null : found.outputCount === 1 ? positive : (classes[output] ?? null))),
    base: shown.map((output) => found.base[output] as number),
    additivityError: found.additivityError,
    fields,
    points: (request.showsRows ? plotted : []).map((field) => ({
      field,
      output: classes === null ? null : found.outputCount === 1 ? positive : (classes[shown[0] as number] ?? null),
      points: pointsOf(explained, found, field, shown[0] as number),
    })),
    interactions: pairs && { rows: interactionFrame.rowCount, pairs: pairs.slice(0, INTERACTION_PAIR_LIMIT) },
    dependence,
    dependenceRows: dependenceFrame.rowCount,
  });
}

/** The outputs with the largest contributions, which are those the model tells apart most. */
function outputsShown({ outputCount, contributions, fields }: ContributionsByField, classes: readonly string[] | null): number[] {
  if (classes === null || outputCount === 1) return [0];
  const sums = new Float64Array(outputCount);
  contributions.forEach((value, at) => {
    const output = Math.floor(at / fields.length) % outputCount;
    sums[output] = (sums[output] as number) + Math.abs(value);
  });
  return [...sums.keys()]
    .toSorted((left, right) => (sums[right] as number) - (sums[left] as number) || left - right)
    .slice(0, EXPLAINED_OUTPUT_LIMIT);
}

/** Positions of the probabilities that belong to the shown outputs; a binary model's one margin is its last class's. */
function answersShown(shown: readonly number[], classes: readonly string[]): number[] {
  return classes.length === 2 ? [1] : [...shown];
}

function effectsOf(found: ContributionsByField, shown: readonly number[]): Explanations['fields'] {
  const { outputCount, contributions, rowCount, fields } = found;
  const sums = new Float64Array(outputCount * fields.length);
  contributions.forEach((value, at) => {
    const cell = at % sums.length;
    sums[cell] = (sums[cell] as number) + Math.abs(value) / rowCount;
  });
  const effects = fields.map((field, index) => {
    const byOutput = Array.from({ length: outputCount }, (_, output) => sums[output * fields.length + index] as number);
    return {
      field,
      meanAbsolute: byOutput.reduce((sum, value) => sum + value, 0) / outputCount,
      byOutput: shown.map((output) => byOutput[output] as number),
    };
  });
  return effects.toSorted((left, right) => right.meanAbsolute - left.meanAbsolute).slice(0, EXPLAINED_FIELD_LIMIT);
}

function pointsOf(frame: Frame, found: ContributionsByField, field: string, output: number): Explanations['points'][number]['points'] {
  const at = found.fields.indexOf(field);
  const stride = Math.max(1, Math.ceil(frame.rowCount / CONTRIBUTION_POINT_LIMIT));
  return Array.from({ length: Math.ceil(frame.rowCount / stride) }, (_, index) => {
    const row = index * stride;
    const contribution = found.contributions[(row * found.outputCount + output) * found.fields.length + at] as number;
    return { value: plotValue(frame, field, row), contribution: Number(contribution.toPrecision(6)) };
  });
}
