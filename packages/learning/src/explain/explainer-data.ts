import type { Contract } from '@slipway/kernel';
import type { FittedModel } from '../fitted-model.ts';
import { ExplainerFormatError } from '../errors.ts';
import { packPlain, unpackPlain } from './plain-data.ts';
import type { PredictorReference } from './predictor-explainer.ts';
import type { FeatureRows } from './tree-shap.ts';

/** Values that a field may take in a counterfactual, as calls write them. */
export interface FieldRange {
  readonly field: string;
  readonly kind: 'number' | 'category';
  /** Numbers: quantiles of the training values, ascending. Categories: frequent levels. */
  readonly values: readonly (number | string | boolean)[];
  /** Numbers: what counts as a change of 1. */
  readonly spread: number;
  readonly isWhole: boolean;
  readonly minimum: number | null;
  readonly maximum: number | null;
}

/** Training rows that may be shown: none when the data says whose rows they are, so that erasing a person needs no change here. */
export interface Examples {
  readonly encoded: FeatureRows;
  /** Position of each example in the training data. */
  readonly rows: Int32Array;
  readonly targets: readonly (string | number)[];
  /** One list a field, of cells as calls write them; long texts are cut. */
  readonly cells: readonly { readonly field: string; readonly values: readonly (string | number | boolean | null)[] }[];
}

/** Everything that explains a version's answers, stored beside it: plain data, no code. */
export interface ExplainerData {
  readonly format: 'slipway.explainer/1';
  readonly fitted: FittedModel;
  /** What calls send. */
  readonly contract: Contract;
  /** Rows that the references, and so the base value, were taken from. */
  readonly referenceRows: number;
  readonly references: readonly PredictorReference[];
  /** `rows` of the training data; or `shuffled`: every column on its own, so that no row is anybody's. */
  readonly backgroundKind: 'rows' | 'shuffled';
  readonly background: FeatureRows;
  /** Mean absolute contribution of each encoded feature. */
  readonly importance: Float64Array;
  /** Typical difference of each encoded feature; 0 for codes, which are equal or not. */
  readonly spreads: Float64Array;
  readonly examples: Examples | null;
  readonly ranges: readonly FieldRange[];
  /** Fields that no counterfactual changes. */
  readonly immutable: readonly string[];
  /** Largest |base + contributions - margin| over the rows it was tried on, relative to max(1, |margin|). */
  readonly additivityError: number;
}

export function packExplainer(data: ExplainerData): Uint8Array {
  return packPlain(data);
}

/** @throws {ExplainerFormatError} when the bytes are not an explainer of this format. */
export function unpackExplainer(bytes: Uint8Array): ExplainerData {
  const data = unpackPlain(bytes);
  if (data === null || typeof data !== 'object' || !('format' in data) || data.format !== 'slipway.explainer/1')
    throw new ExplainerFormatError('The stored explainer has a format that this version does not read.');
  // Written by packExplainer under its own hash: the header says that the rest is as its type says.
  return data as ExplainerData;
}
