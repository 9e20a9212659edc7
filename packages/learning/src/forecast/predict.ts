import type { EncodedMatrix } from '../matrix.ts';
import { type Situation, featureNames, writeRows } from './features.ts';
import { type Forecast, type Forecaster, coldForecast, intervalOf, knownCount, mixForecast, situate, warmSteps } from './forecaster.ts';
import type { SeriesData } from './series.ts';

/** One forecast that is wanted: from `origin` (values before it are known), at one of INTERVAL_LEVELS. */
export interface Query {
  readonly series: SeriesData;
  readonly origin: number;
  readonly level: number;
}

/** Answers with the forecast of each query; `correct` runs the trees on feature rows and gives one number a row. */
export interface Prepared {
  readonly matrix: EncodedMatrix;
  finish(corrections: ArrayLike<number>): Forecast[];
}

/** Everything but the trees of some forecasts: feature rows for those that the trees correct, and how to end. */
export function prepareForecasts(forecaster: Forecaster, queries: readonly Query[]): Prepared {
  const { layout } = forecaster;
  const { horizon } = layout.shape;
  const situations = queries.map(({ series, origin }): Situation | undefined =>
    knownCount(series.values, origin) < warmSteps(layout) ? undefined : situate(forecaster, series, [origin])[0],
  );
  const warm = situations.filter((situation) => situation !== undefined);
  const names = featureNames(layout);
  const columns = names.map(() => new Float32Array(warm.length * horizon));
  warm.forEach((situation, index) => writeRows(layout, situation, horizon, columns, index * horizon));
  return {
    matrix: {
      rowCount: warm.length * horizon,
      features: names.map((name) => ({ name, field: name, kind: 'numeric', codeCount: 0 })),
      columns,
    },
    finish(corrections) {
      let next = 0;
      return queries.map(({ series, origin, level }, index) => {
        const situation = situations[index];
        if (!situation) return coldForecast(forecaster, series, origin, horizon, level);
        const own = Float64Array.from({ length: horizon }, (_, step) => corrections[next * horizon + step] ?? 0);
        next += 1;
        return intervalOf(forecaster, situation, mixForecast(forecaster.weights, situation, own, forecaster.canBeNegative), level);
      });
    },
  };
}
