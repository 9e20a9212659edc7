import { type ExplainOptions, type Explanation, type Json, type Row, toRfc3339 } from '@slipway/kernel';
import { ExplainerFormatError, ExplainRequestError } from '../errors.ts';
import { rowsOf } from '../explain/build-explainer.ts';
import type { TreeCover } from '../explain/cover.ts';
import { type FeatureContribution, gatherContributions } from '../explain/gather-contributions.ts';
import { unanswerable } from '../explain/lazy-explainer.ts';
import { packPlain, unpackPlain } from '../explain/plain-data.ts';
import { PredictorExplainer } from '../explain/predictor-explainer.ts';
import { type EncodedMatrix, takeMatrixRows } from '../matrix.ts';
import type { Forest } from '../trees/tree.ts';
import { BASE_METHODS, METHOD_COUNT } from './baselines.ts';
import { groupedFeatures, type Situation } from './features.ts';
import { coldLevel, expectedError, type Forecast, situate, widthFactor } from './forecaster.ts';
import { stepTime } from './frequency.ts';
import { type Prepared, prepareForecasts } from './predict.ts';
import { type ReadCall, readCall } from './read-call.ts';
import { meanBetween } from './series.ts';
import type { ServingParts } from './servable.ts';

/** Relative to max(1, |value|): contributions that add up to no more than this beside the forecast. The graph computes in float32. */
const ADDITIVITY_ERROR_MAX = 1e-4;
/** Recent values whose mean is the level, when there is no season. */
const LEVEL_STEPS = 12;

/** The trees of a forecaster, which serving has as a graph only. */
export interface ForecastExplainerData {
  readonly format: 'slipway.forecast-explainer/1';
  readonly forest: Forest | null;
  readonly covers: readonly TreeCover[] | null;
}

export function packForecastExplainer(forest: Forest | null, covers: readonly TreeCover[] | null): Uint8Array {
  return packPlain({ format: 'slipway.forecast-explainer/1', forest, covers } satisfies ForecastExplainerData);
}

/** @throws {ExplainerFormatError} when the bytes are no explainer of this format. */
export function unpackForecastExplainer(bytes: Uint8Array): ForecastExplainerData {
  const data = unpackPlain(bytes);
  if (data === null || typeof data !== 'object' || !('format' in data) || data.format !== 'slipway.forecast-explainer/1')
    throw new ExplainerFormatError('The stored explainer has a format that this version does not read.');
  // Written by packForecastExplainer under its own hash: the header says that the rest is as its type says.
  return data as ForecastExplainerData;
}

interface Draft {
  readonly base: number;
  readonly parts: readonly FeatureContribution[];
  /** What the parts are made of, to be shown as their values. */
  readonly values: Row;
  readonly source: 'backtest' | 'short-history' | 'no-history';
  readonly factor: number;
  readonly unit: number;
}

/**
 * Explains one step of a forecast: the level of the recent past, what each method of the mix adds to it, and how lags, calendar, recent values and known columns move
 * the trees' correction (Shapley values, exact); with the source of the interval.
 */
export class ForecastExplainer {
  readonly #parts: ServingParts;
  readonly #correct: (matrix: EncodedMatrix) => Promise<ArrayLike<number>>;
  readonly #shap: PredictorExplainer | undefined;

  /** @param correct the served graph: the trees' correction of feature rows. */
  constructor(
    parts: ServingParts,
    { forest, covers }: ForecastExplainerData,
    correct: (matrix: EncodedMatrix) => Promise<ArrayLike<number>>,
  ) {
    this.#parts = parts;
    this.#correct = correct;
    if (!forest || !covers) return;
    this.#shap = new PredictorExplainer({
      predictor: { kind: 'trees', forest },
      references: [{ kind: 'trees', covers }],
      background: { rowCount: 0, width: 0, values: new Float32Array(0) },
      method: 'path-dependent',
    });
  }

  /** @throws {ForecastInputError} {ExplainRequestError} */
  async explain(input: Row, options: ExplainOptions): Promise<Explanation> {
    const call = readCall(this.#parts, input);
    const step = (options.step ?? 1) - 1;
    if (options.class !== undefined)
      throw new ExplainRequestError('"class" is for classes; say which step with "step".', { details: { field: 'explain.class' } });
    if (step >= call.horizon)
      throw new ExplainRequestError(`"step" must be one of the ${call.horizon} steps of the forecast.`, {
        details: { field: 'explain.step', limit: call.horizon },
      });
    const { forecaster } = this.#parts;
    const prepared = prepareForecasts(forecaster, [call]);
    const corrections = prepared.matrix.rowCount === 0 ? [] : await this.#correct(prepared.matrix);
    const [forecast] = prepared.finish(corrections) as [Forecast];
    const situation = prepared.matrix.rowCount === 0 ? undefined : situate(forecaster, call.series, [call.origin])[0];
    const draft = situation ? this.#warm(situation, prepared, corrections, { call, step }) : this.#cold(call, step);
    return this.#finish(call, forecast, draft, { step, options });
  }

  #finish(
    call: ReadCall,
    forecast: Forecast,
    { base, parts, values, source, factor, unit }: Draft,
    { step, options }: { readonly step: number; readonly options: ExplainOptions },
  ): Explanation {
    const margin = forecast.values[step] as number;
    const sum = parts.reduce((total, part) => total + part.contribution, base);
    const cut = margin === 0 && !this.#parts.forecaster.canBeNegative && sum < 0 ? [part('never below zero', -sum)] : [];
    const error = Math.abs(sum + (cut[0]?.contribution ?? 0) - margin);
    if (!(error <= ADDITIVITY_ERROR_MAX * Math.max(1, Math.abs(margin))))
      throw new Error(`Broken invariant: contributions add up to the forecast ${margin}, not to ${sum}`);
    const notes = [...call.notes, ...unanswerable('A forecast', options)];
    const time = toRfc3339(stepTime(this.#parts.metadata.frequency, call.series.startIndex + call.origin + step));
    const [low, high] = [forecast.low[step] as number, forecast.high[step] as number];
    return {
      method: this.#shap ? 'mix of methods, tree-shap/path-dependent' : 'mix of methods',
      space: 'value',
      output: null,
      base,
      margin,
      ...gatherContributions(values, [...parts, ...cut], options.top),
      step: { step: step + 1, time, interval: { level: call.level, low, high, source, factor, unit } },
      ...(notes.length > 0 ? { notes } : {}),
    };
  }

  #warm(
    situation: Situation,
    { matrix }: Prepared,
    corrections: ArrayLike<number>,
    { call, step }: { readonly call: ReadCall; readonly step: number },
  ): Draft {
    const { forecaster } = this.#parts;
    const { weights, layout } = forecaster;
    const season = layout.shape.seasons.at(-1) ?? LEVEL_STEPS;
    const recent = meanBetween(situation.series.values, situation.origin - season, situation.origin);
    const level = Number.isNaN(recent) ? situation.size : recent;
    const parts: FeatureContribution[] = [];
    const values: Record<string, Json> = {};
    BASE_METHODS.forEach((method, index) => {
      // What the trees correct is the last method: their weight is on it too.
      const weight = (weights[index] ?? 0) + (index === METHOD_COUNT - 1 ? (weights[METHOD_COUNT] ?? 0) : 0);
      if (weight === 0) return;
      const said = (situation.bases[index] as Float64Array)[step] as number;
      parts.push({ field: method, feature: method, contribution: weight * (said - level) });
      values[method] = said;
    });
    const trees = (weights[METHOD_COUNT] ?? 0) * situation.size;
    if (trees !== 0) parts.push(...this.#correction(matrix, corrections, step, trees));
    layout.covariates.forEach((name, index) => {
      const value = situation.series.covariates[index]?.[situation.origin + step];
      if (value !== undefined && !Number.isNaN(value)) values[name] = value;
    });
    const [factor, unit] = [widthFactor(forecaster, call.level, step), expectedError(forecaster, situation)];
    return { base: level, parts, values, source: 'backtest', factor, unit };
  }

  /** What the trees add, by what they go by; in one sum when their structure was not kept. */
  #correction(matrix: EncodedMatrix, corrections: ArrayLike<number>, step: number, scale: number): FeatureContribution[] {
    const correction = corrections[step] ?? 0;
    if (!this.#shap) return [part('trees', scale * correction)];
    const contributions = this.#shap.explain(rowsOf(takeMatrixRows(matrix, Int32Array.of(step))));
    return [
      part('trees on average', scale * (this.#shap.base[0] as number)),
      ...groupedFeatures(this.#parts.forecaster.layout).map(({ name, group }, at) => ({
        field: group,
        feature: name,
        contribution: scale * (contributions[at] as number),
      })),
    ];
  }

  #cold(call: ReadCall, step: number): Draft {
    const { size, isEmpty, factor, shape } = coldLevel(this.#parts.forecaster, call.series, call.origin, call.level);
    return {
      base: size,
      parts: [part('shape of the other series', size * shape(call.origin + step) - size)],
      values: {},
      source: isEmpty ? 'no-history' : 'short-history',
      factor,
      unit: Math.abs(size),
    };
  }
}

const part = (name: string, contribution: number): FeatureContribution => ({ field: name, feature: name, contribution });
