import { InvalidError } from '@slipway/kernel';
import { FORECAST_HORIZON_MAX, FORECAST_LEVELS, FORECAST_SEASON_MAX, type ForecastDefinition } from '@slipway/project/contract';
import type { Command } from 'commander';
import { parseList, parseNumber } from './options.ts';

export interface ForecastFlags {
  readonly task?: string;
  readonly series?: string;
  readonly horizon?: string;
  readonly frequency?: string;
  readonly season?: string;
  readonly known?: string;
  readonly level?: string;
}

/** The flags of a forecast; any of them, or `--task forecast`, makes a launch one. */
export function addForecastFlags(command: Command): Command {
  return command
    .option('--series <column>', 'forecast: the column that tells series apart')
    .option('--horizon <steps>', 'forecast: how many steps ahead (default: by the step of the data)')
    .option('--frequency <step>', 'forecast: 15min, 1h, 1d, 1w, 1mo, 1q, 1y (default: found in the times)')
    .option('--season <steps>', 'forecast: season lengths in steps, such as 24,168 (default: by the frequency)')
    .option('--known <a,b>', 'forecast: columns whose future is known, such as weather forecasts or holidays')
    .option('--level <share>', `forecast: share of truths that intervals hold: ${FORECAST_LEVELS.join(', ')} (default: 0.9)`);
}

/** The forecast that the flags mean; undefined when they mean none. @throws {InvalidError} naming the flag. */
export function forecastOf(flags: ForecastFlags): Partial<ForecastDefinition> | undefined {
  const { task, series, horizon, frequency, season, known, level } = flags;
  const given = Object.entries({ series, horizon, frequency, season, known, level }).find(([, value]) => value !== undefined);
  if (task !== 'forecast' && given === undefined) return undefined;
  if (task !== undefined && task !== 'forecast')
    throw new InvalidError(`--${given?.[0]}: belongs to a forecast, not to --task ${task}.`, {
      help: 'Leave out --task, or say --task forecast.',
    });
  const steps = parseNumber('--horizon', horizon, { min: 1, max: FORECAST_HORIZON_MAX, whole: true });
  const seasons = parseList(season).map((each) => parseNumber('--season', each, { min: 2, max: FORECAST_SEASON_MAX, whole: true }) ?? 2);
  const share = parseNumber('--level', level, { min: 0, max: 1 });
  const chosen = FORECAST_LEVELS.find((each) => each === share);
  if (share !== undefined && chosen === undefined)
    throw new InvalidError(`--level: must be one of ${FORECAST_LEVELS.join(', ')}, got "${level}".`);
  return {
    ...(series === undefined ? {} : { series }),
    ...(steps === undefined ? {} : { horizon: steps }),
    ...(frequency === undefined ? {} : { frequency }),
    ...(seasons.length === 0 ? {} : { seasons }),
    ...(known === undefined ? {} : { known: [...parseList(known)] }),
    ...(chosen === undefined ? {} : { level: chosen }),
  };
}
