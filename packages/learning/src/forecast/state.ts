import { ForecastState, type ForecastMetadata } from './contract.ts';
import type { FeatureLayout } from './features.ts';
import type { Forecaster } from './forecaster.ts';
import type { SeriesData } from './series.ts';

/** Values kept of a series at most and over all series; what is older no longer moves a forecast. */
const HISTORY_STEPS_LIMIT = 4_096;
const STATE_VALUES_LIMIT = 4_000_000;
/** Cycles of the longest season that are kept whatever the number of series. */
const CYCLES_KEPT = 4;

/** Steps of history that a forecast looks at: the same while it is judged and while it is served. */
export function historySteps(layout: FeatureLayout, seriesCount: number): number {
  const { horizon, seasons } = layout.shape;
  const needed = (seasons.at(-1) ?? 12) * CYCLES_KEPT + 2 * horizon;
  const affordable = Math.floor(STATE_VALUES_LIMIT / Math.max(1, seriesCount) / (1 + layout.covariates.length));
  return Math.max(needed, Math.min(HISTORY_STEPS_LIMIT, affordable));
}

/** The last steps of a series before an origin, with the covariates known up to `horizon` steps after it. */
export function windowOf(series: SeriesData, origin: number, steps: number, horizon: number): { series: SeriesData; origin: number } {
  const from = Math.max(0, origin - steps);
  return {
    series: {
      id: series.id,
      startIndex: series.startIndex + from,
      values: series.values.subarray(from, origin),
      covariates: series.covariates.map((covariate) => covariate.subarray(from, origin + horizon)),
    },
    origin: origin - from,
  };
}

const nullable = (values: Float64Array) => Array.from(values, (value) => (Number.isNaN(value) ? null : value));
export const numbers = (values: readonly (number | null)[]) => Float64Array.from(values, (value) => value ?? Number.NaN);

/** What serving starts from, as plain JSON. */
export function stateOf(forecaster: Forecaster, series: readonly SeriesData[]): ForecastState {
  const steps = historySteps(forecaster.layout, series.length);
  return {
    format: 'slipway.forecast-state/1',
    series: series.map((each) => {
      const tail = windowOf(each, each.values.length, steps, forecaster.layout.shape.horizon).series;
      return {
        id: tail.id,
        startIndex: tail.startIndex,
        values: nullable(tail.values),
        covariates: tail.covariates.map(nullable),
        smoothing: plain(forecaster.smoothing.bySeries.get(each.id)),
      };
    }),
  };
}

function plain(parameters: Forecaster['smoothing']['common'] | undefined) {
  return parameters ? { ...parameters, seasons: [...parameters.seasons], seasonal: [...parameters.seasonal] } : null;
}

/** The forecaster of stored metadata and state; its trees are in the graph. */
export function forecasterOf(
  metadata: ForecastMetadata,
  state: ForecastState,
): { forecaster: Forecaster; series: Map<string, SeriesData> } {
  const layout = {
    shape: { horizon: metadata.horizon, seasons: metadata.seasons },
    frequency: metadata.frequency,
    covariates: metadata.covariates,
  };
  const bySeries = new Map(state.series.flatMap(({ id, smoothing }) => (smoothing ? [[id, smoothing] as const] : [])));
  const { weights, widths, errorFloor, cold, canBeNegative } = metadata;
  return {
    forecaster: {
      layout,
      smoothing: { bySeries, common: metadata.smoothing },
      forest: null,
      weights,
      widths,
      errorFloor,
      cold,
      canBeNegative,
    },
    series: new Map(
      state.series.map(({ id, startIndex, values, covariates }) => [
        id,
        { id, startIndex, values: numbers(values), covariates: covariates.map(numbers) },
      ]),
    ),
  };
}
