import type { LaunchResult } from '@slipway/project/contract';
import type { Client } from '@slipway/client';
import { short, table } from './output.ts';

type PredictReply = Awaited<ReturnType<Client['predict']>>;

/** The first lines of a forecast's launch; undefined for other launches. */
export function forecastHeading(result: LaunchResult): string | undefined {
  const { forecast, rows, version, seconds, created } = result;
  if (!forecast) return undefined;
  const { series, horizon, frequency, seasons, forecasts } = forecast;
  const season = seasons.length === 0 ? 'no season' : `season${seasons.length > 1 ? 's' : ''} ${seasons.join(' and ')}`;
  return [
    `forecaster of ${series} series, ${horizon} steps of ${frequency} ahead, ${season}: ${rows.train} steps to learn from, judged by ${forecasts} rolling forecasts (${rows.test} steps)`,
    `version ${version}${created ? '' : ' (already there: same recipe)'}, ${short(seconds.total)} s`,
  ].join('\n');
}

/** What a forecast is mixed of, and what its intervals hold; empty for other launches. */
export function forecastLines({ forecast }: LaunchResult): string {
  if (!forecast) return '';
  const used = forecast.members.filter(({ weight }) => weight > 0).map(({ member, weight }) => `${member} ${Math.round(weight * 100)} %`);
  return [
    `mixed of: ${used.join(', ')}${forecast.known.length > 0 ? `; knows the future of ${forecast.known.join(', ')}` : ''}`,
    `intervals of ${Math.round(forecast.level * 100)} % held ${forecast.coverage === null ? '-' : `${short(forecast.coverage * 100)} %`} of the truth`,
  ].join('\n');
}

/** Steps of each prediction that are printed; --json has all. */
const STEPS_SHOWN = 48;

/** Forecasts as tables of time, value and interval; undefined when the reply holds none. */
export function showForecasts({ predictions }: PredictReply): string | undefined {
  if (!predictions.some((each) => each.forecast !== undefined)) return undefined;
  return predictions
    .map((each) => {
      if (!each.forecast) return `${each.invocation}: ${each.error?.message ?? each.pending ?? ''}`;
      const percent = Math.round((each.level ?? 0) * 100);
      const rows = each.forecast
        .slice(0, STEPS_SHOWN)
        .map(({ time, value, low, high }) => [time, short(value), `${short(low)} … ${short(high)}`]);
      const rest = each.forecast.length - rows.length;
      return [
        `${each.invocation}${each.series === null || each.series === undefined ? '' : `  ${each.series}`}`,
        table(rows, ['time', 'value', `${percent} % interval`]),
        ...(rest > 0 ? [`… and ${rest} more steps (--json)`] : []),
        ...(each.notes ?? []).map((note) => `note: ${note}`),
      ].join('\n');
    })
    .join('\n\n');
}
