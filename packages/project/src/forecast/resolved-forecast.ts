import type { LaunchDefinition, LaunchResult } from '../contract.ts';
import { forecastGates } from './forecast-steps.ts';

/** The definition of a finished forecast with everything that was found written out. */
export function resolvedForecast(definition: LaunchDefinition, result: LaunchResult): LaunchDefinition {
  const { forecast } = definition;
  const { moreGates: _, ...rest } = definition;
  return {
    ...rest,
    seed: result.seed,
    gates: forecastGates(definition),
    ...(forecast && result.forecast
      ? {
          forecast: {
            ...forecast,
            horizon: result.forecast.horizon,
            frequency: result.forecast.frequency,
            seasons: result.forecast.seasons,
          },
        }
      : {}),
  };
}
