import { callContract } from './call-contract.ts';
import { ForecastMetadata } from './contract.ts';
import { featureNames } from './features.ts';
import type { Forecaster } from './forecaster.ts';
import type { Frequency } from './frequency.ts';

/** The metadata that is stored next to a forecaster's graph. */
export function forecastMetadata(
  forecaster: Forecaster,
  facts: {
    readonly target: string;
    readonly time: string;
    readonly series: string | null;
    readonly frequency: Frequency;
    readonly level: number;
    readonly seed: number | string;
  },
): ForecastMetadata {
  const { layout, weights, widths, errorFloor, cold, canBeNegative, smoothing } = forecaster;
  return ForecastMetadata.parse({
    format: 'slipway.forecast/1',
    task: 'forecast',
    ...facts,
    horizon: layout.shape.horizon,
    seasons: layout.shape.seasons,
    covariates: layout.covariates,
    contract: callContract(facts.series !== null),
    features: featureNames(layout),
    weights,
    widths,
    errorFloor,
    cold,
    smoothing: smoothing.common,
    canBeNegative,
    trainer: 'forecaster',
  });
}
