import { type Contract, type ExplainOptions, type Explanation, frameFromRows, type Row } from '@slipway/kernel';
import { ExplainerFormatError, ExplainRequestError } from '../errors.ts';
import { rowsOf } from '../explain/build-explainer.ts';
import { coverForest } from '../explain/cover.ts';
import { type FeatureContribution, gatherContributions } from '../explain/gather-contributions.ts';
import { unanswerable } from '../explain/lazy-explainer.ts';
import { packPlain, unpackPlain } from '../explain/plain-data.ts';
import { PredictorExplainer, type PredictorReference } from '../explain/predictor-explainer.ts';
import type { EncodedMatrix } from '../matrix.ts';
import { encodeFrame } from '../preparation.ts';
import { dimensionNames } from './describe.ts';
import { type Fitted, nearestOf, sampleRows, type UnsupervisedModel } from './fit.ts';
import { meanPathLength } from './isolation-forest.ts';
import { distancesTo } from './k-means.ts';
import { project, residuals } from './principal.ts';
import { placeRows, type Points, type Space } from './space.ts';

/** Rows that branches of isolation trees are weighed by. */
const REFERENCE_ROWS = 5_000;
/** Columns named when two clusters are compared. */
const COMPARED_NAMED = 3;
/** Relative to max(1, |margin|): contributions that add up to no more than this beside the margin. */
const ADDITIVITY_ERROR_MAX = 1e-6;

/** What explains answers of a model without a target, stored beside it: plain data, no code, and no rows. */
export interface UnsupervisedExplainerData {
  readonly format: 'slipway.unsupervised-explainer/1';
  readonly model: UnsupervisedModel;
  /** How training rows spread over the isolation trees; null for the other kinds. */
  readonly reference: PredictorReference | null;
}

/** The model as it explains itself, packed. @param train the encoded training rows. */
export function packUnsupervisedExplainer(model: UnsupervisedModel, train: EncodedMatrix, seed: number): Uint8Array {
  const { fitted } = model;
  const reference: PredictorReference | null =
    fitted.kind === 'anomaly'
      ? { kind: 'trees', covers: coverForest(fitted.forest.forest, sampleRows(train, REFERENCE_ROWS, seed)) }
      : null;
  return packPlain({ format: 'slipway.unsupervised-explainer/1', model, reference } satisfies UnsupervisedExplainerData);
}

/** @throws {ExplainerFormatError} when the bytes are no explainer of this format. */
export function unpackUnsupervisedExplainer(bytes: Uint8Array): UnsupervisedExplainerData {
  const data = unpackPlain(bytes);
  if (data === null || typeof data !== 'object' || !('format' in data) || data.format !== 'slipway.unsupervised-explainer/1')
    throw new ExplainerFormatError('The stored explainer has a format that this version does not read.');
  // Written by packUnsupervisedExplainer under its own hash: the header says that the rest is as its type says.
  return data as UnsupervisedExplainerData;
}

/** What is said of one row, before it is put into words. */
interface Draft {
  readonly method: string;
  readonly space: Explanation['space'];
  readonly output: string | null;
  readonly base: number;
  readonly margin: number;
  readonly parts: readonly FeatureContribution[];
  readonly notes: readonly string[];
}

/**
 * Explains answers of k-means (squared distance to a centre), components (what they leave out, or one component) and
 * isolation forests (how early a row is set apart, by Shapley values of the depth). All add up exactly.
 */
export class UnsupervisedExplainer {
  readonly #data: UnsupervisedExplainerData;
  readonly #contract: Contract;
  #shap: PredictorExplainer | undefined;

  constructor(data: UnsupervisedExplainerData, contract: Contract) {
    this.#data = data;
    this.#contract = contract;
  }

  /** Why a row is answered as it is; the row has passed the contract. @throws {ExplainRequestError} */
  explain(row: Row, options: ExplainOptions): Explanation {
    const { preparation, fitted } = this.#data.model;
    const matrix = encodeFrame(preparation, frameFromRows(this.#contract, [row]));
    const { parts, notes, ...rest } = this.#draft(fitted, matrix, options);
    const sum = parts.reduce((total, part) => total + part.contribution, rest.base);
    if (!(Math.abs(sum - rest.margin) <= ADDITIVITY_ERROR_MAX * Math.max(1, Math.abs(rest.margin))))
      throw new Error(`Broken invariant: contributions add up to the margin ${rest.margin}, not to ${sum}`);
    const said = [...notes, ...unanswerable('A model without a target', options)];
    return { ...rest, ...gatherContributions(row, parts, options.top), ...(said.length > 0 ? { notes: said } : {}) };
  }

  #draft(fitted: Fitted, matrix: EncodedMatrix, options: ExplainOptions): Draft {
    if (fitted.kind === 'anomaly') return this.#isolation(fitted, matrix, options);
    const dimensions = dimensionsOf(fitted.space, this.#data.model);
    const points = placeRows(fitted.space, matrix);
    return fitted.kind === 'cluster'
      ? clusterDraft(fitted, points, dimensions, options)
      : componentDraft(fitted, points, dimensions, options);
  }

  #isolation({ forest, threshold }: Extract<Fitted, { kind: 'anomaly' }>, matrix: EncodedMatrix, options: ExplainOptions): Draft {
    if (options.class !== undefined)
      throw new ExplainRequestError('"class" is for clusters and components: an anomaly score is one number.', {
        details: { field: 'explain.class' },
      });
    const features = rowsOf(matrix);
    const { reference, model } = this.#data;
    this.#shap ??= new PredictorExplainer({
      predictor: { kind: 'trees', forest: forest.forest },
      references: reference ? [reference] : [],
      background: features,
      method: 'path-dependent',
    });
    // The score is 2^-(depth / norm): its logarithm is what trees add up to, turned so that more is more unusual.
    const norm = -forest.forest.trees.length * meanPathLength(forest.sampleRows);
    const contributions = this.#shap.explain(features);
    const base = (this.#shap.base[0] as number) / norm;
    const margin = contributions.reduce((sum, value) => sum + value, this.#shap.base[0] as number) / norm;
    const limit = Math.log2(threshold);
    return {
      method: 'tree-shap/path-dependent',
      space: 'isolation',
      output: 'anomaly',
      base,
      margin,
      parts: model.preparation.features.map(({ field, name }, at) => ({
        field,
        feature: name,
        contribution: (contributions[at] as number) / norm,
      })),
      notes: [
        `The score is 2 to the power of the sum: ${show(2 ** margin)}; above ${show(threshold)} (a sum of ${show(limit)}) a row is an anomaly.`,
      ],
    };
  }
}

interface Dimension {
  readonly field: string;
  readonly feature: string;
}

function dimensionsOf(space: Space, { preparation }: UnsupervisedModel): Dimension[] {
  const { numeric, categorical } = space.design;
  const features = [
    ...numeric.map((term) => term.feature),
    ...numeric.filter((term) => term.hasIndicator).map((term) => term.feature),
    ...categorical.flatMap(({ feature, codeCount }) => Array.from({ length: codeCount }, () => feature)),
  ];
  return dimensionNames(space, preparation).map((feature, at) => ({
    field: preparation.features[features[at] as number]?.field ?? '',
    feature,
  }));
}

function clusterDraft(
  { clustering: { centres, count } }: Extract<Fitted, { kind: 'cluster' }>,
  points: Points,
  dimensions: readonly Dimension[],
  options: ExplainOptions,
): Draft {
  const distances = distancesTo(points, centres);
  const nearest = nearestOf(distances, count)[0] as number;
  const wanted = options.class === undefined ? nearest : pick(options.class, count, 'cluster');
  const squares = (cluster: number) => {
    const start = cluster * points.width;
    return points.values.map((value, at) => (value - (centres[start + at] as number)) ** 2);
  };
  const own = squares(wanted);
  return {
    method: 'distance',
    space: 'squared-distance',
    output: String(wanted + 1),
    base: 0,
    margin: (distances[wanted] as number) ** 2,
    parts: dimensions.map((dimension, at) => ({ ...dimension, contribution: own[at] as number })),
    notes: [
      `The distance to the centre is the root of the sum: ${show(distances[wanted] as number)} deviations.`,
      ...compareNote(distances, count, { nearest, wanted }, dimensions, (cluster) => squares(cluster)),
    ],
  };
}

/** What speaks for the cluster that was answered and against the next one (or the one that was asked about). */
function compareNote(
  distances: Float64Array,
  count: number,
  { nearest, wanted }: { readonly nearest: number; readonly wanted: number },
  dimensions: readonly Dimension[],
  squares: (cluster: number) => Float64Array,
): string[] {
  const others = Array.from({ length: count }, (_, cluster) => cluster)
    .filter((cluster) => cluster !== nearest)
    .toSorted((a, b) => (distances[a] as number) - (distances[b] as number));
  const other = wanted === nearest ? others[0] : wanted;
  if (other === undefined) return [];
  const [near, far] = [squares(nearest), squares(other)];
  const byField = new Map<string, number>();
  dimensions.forEach(({ field }, at) => byField.set(field, (byField.get(field) ?? 0) + (far[at] as number) - (near[at] as number)));
  const telling = [...byField]
    .filter(([, by]) => by > 0)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, COMPARED_NAMED);
  return [
    `Cluster ${nearest + 1} is nearest; ${wanted === nearest ? 'next comes' : 'asked about is'} cluster ${other + 1} at ${show(distances[other] as number)}.${
      telling.length > 0
        ? ` What sets the row nearer to ${nearest + 1}: ${telling.map(([field, by]) => `${field} (${show(by)})`).join(', ')}.`
        : ''
    }`,
  ];
}

function componentDraft(
  { components }: Extract<Fitted, { kind: 'reduce' }>,
  points: Points,
  dimensions: readonly Dimension[],
  options: ExplainOptions,
): Draft {
  const { directions, count } = components;
  const projected = project(points, components);
  const { width, values } = points;
  if (options.class !== undefined) {
    const component = pick(options.class, count, 'component');
    return {
      method: 'linear',
      space: 'value',
      output: `component ${component + 1}`,
      base: 0,
      margin: projected[component] as number,
      parts: dimensions.map((dimension, at) => ({
        ...dimension,
        contribution: (values[at] as number) * (directions[component * width + at] as number),
      })),
      notes: [],
    };
  }
  const left = residuals(points, projected, count)[0] as number;
  const squares = values.map((value, at) => {
    let kept = 0;
    for (let component = 0; component < count; component += 1)
      kept += (projected[component] as number) * (directions[component * width + at] as number);
    return (value - kept) ** 2;
  });
  return {
    method: 'distance',
    space: 'squared-distance',
    output: null,
    base: 0,
    margin: left ** 2,
    parts: dimensions.map((dimension, at) => ({ ...dimension, contribution: squares[at] as number })),
    notes: [
      `What the components leave out is the root of the sum: ${show(left)} deviations. Ask for one of the ${count} components by its number (class).`,
    ],
  };
}

/** A cluster or component by its number, as answers count them. */
function pick(asked: string, count: number, what: 'cluster' | 'component'): number {
  const number = Number(asked.replace(/^(cluster|component)\s*/, ''));
  if (Number.isInteger(number) && number >= 1 && number <= count) return number - 1;
  throw new ExplainRequestError(`There is no ${what} "${asked}": they are numbered from 1 to ${count}.`, {
    details: { field: 'explain.class', count },
  });
}

const show = (value: number) => Number(value.toPrecision(4)).toString();
