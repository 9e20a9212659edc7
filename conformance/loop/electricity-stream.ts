import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@slipway/client';

const FILE = new URL('../../../shared/data/elec2_nsw_electricity/elec.csv', import.meta.url);
/** The file has no dates: half-hours from 7 May 1996 on, as the series was published. */
const START_MS = Date.UTC(1996, 4, 7);
const HALF_HOUR_MS = 1_800_000;
export const ROWS_PER_DAY = 48;
const CALLS_AT_ONCE = 12;

/** One half-hour: what is known, and whether the price turned out above its average of the day before. */
export interface HalfHour {
  readonly timeMs: number;
  readonly input: Readonly<Record<string, number>>;
  readonly label: 'UP' | 'DOWN';
}

export const hasElectricity = () => existsSync(FILE);

export function readElectricity(): HalfHour[] {
  const [header = '', ...lines] = readFileSync(FILE, 'utf8').trim().split('\n');
  const names = header.split(',').slice(0, -1);
  return lines.map((line, index) => {
    const cells = line.split(',').map(Number);
    const timeMs = START_MS + index * HALF_HOUR_MS;
    const input = Object.fromEntries(names.map((name, column) => [name, cells[column] as number]));
    return { timeMs, input: { ...input, weekday: new Date(timeMs).getUTCDay() }, label: cells.at(-1) === 1 ? 'UP' : 'DOWN' };
  });
}

/** The rows as a table with their time and label. */
export function toCsv(rows: readonly HalfHour[]): string {
  const names = Object.keys(rows[0]?.input ?? {});
  const lines = rows.map(({ timeMs, input, label }) =>
    [new Date(timeMs).toISOString(), ...names.map((name) => input[name]), label].join(','),
  );
  return `${['date', ...names, 'class'].join(',')}\n${lines.join('\n')}\n`;
}

/** How many of the answers of a day were right, live and frozen. */
export interface DayScore {
  readonly timeMs: number;
  readonly rows: number;
  readonly live: number;
  readonly frozen: number;
}

/**
 * Replays rows through the API in the order of time, a day at a time: one call a half-hour with its event time, the labels of
 * the day before when the day is over. The frozen release answers the same rows, and nobody labels them.
 */
export async function replayDays(
  client: Client,
  rows: readonly HalfHour[],
  options: { readonly live: string; readonly frozen: string; readonly dayMs: number; readonly onDay?: (score: DayScore) => void },
): Promise<DayScore[]> {
  const scores: DayScore[] = [];
  let waiting: { invocation: string; value: string; eventTime: number }[] = [];
  for (let start = 0; start < rows.length; start += ROWS_PER_DAY) {
    const startedMs = performance.now();
    const day = rows.slice(start, start + ROWS_PER_DAY);
    const answers = await inParts(day, (row) => ask(client, options.live, row));
    const frozen = await client.predict(options.frozen, { rows: day.map((row) => row.input), eventTime: day[0]?.timeMs ?? 0 });
    const score = {
      timeMs: day[0]?.timeMs ?? 0,
      rows: day.length,
      live: answers.filter((answer, index) => answer.prediction === day[index]?.label).length,
      frozen: frozen.predictions.filter((answer, index) => answer.prediction === day[index]?.label).length,
    };
    if (waiting.length > 0) await client.outcomes.add({ outcomes: waiting });
    waiting = answers.map(({ invocation }, index) => ({
      invocation,
      value: day[index]?.label ?? '',
      eventTime: (day[index]?.timeMs ?? 0) + ROWS_PER_DAY * HALF_HOUR_MS,
    }));
    scores.push(score);
    options.onDay?.(score);
    await delay(Math.max(0, options.dayMs - (performance.now() - startedMs)));
  }
  return scores;
}

async function ask(client: Client, release: string, row: HalfHour): Promise<{ invocation: string; prediction: unknown }> {
  const { predictions } = await client.predict(release, { rows: [row.input], eventTime: row.timeMs });
  return { invocation: predictions[0]?.invocation ?? '', prediction: predictions[0]?.prediction };
}

async function inParts<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += CALLS_AT_ONCE)
    results.push(...(await Promise.all(items.slice(start, start + CALLS_AT_ONCE).map(work))));
  return results;
}

/** Launches both releases from the first rows: one that trains again, one that stays as it is. @returns milliseconds of the second launch. */
export async function launchBoth(
  client: Client,
  rows: readonly HalfHour[],
  retrain: Parameters<Client['retraining']['configure']>[1],
): Promise<number> {
  let tookMs = 0;
  const bytes = new TextEncoder().encode(toCsv(rows));
  const { sha256 } = await client.uploads.put(bytes, 'first.csv');
  for (const name of ['electricity', 'electricity-frozen']) {
    const startedMs = performance.now();
    const { run } = await client.launches.start({
      definition: {
        name,
        dataset: name,
        read: { format: 'csv' },
        target: 'class',
        time: 'date',
        exclude: ['date'],
        train: { kind: 'gbdt', params: { rounds: 50, leafLimit: 8, learningRate: 0.1 } },
        seed: 1,
        acceptLeak: ['@time-order', '@near-duplicates'],
        ...(name === 'electricity' && retrain ? { retrain } : {}),
      },
      data: { sha256, fileName: 'first.csv' },
    } as Parameters<Client['launches']['start']>[0]);
    const result = await client.launches.follow(run, () => {});
    if (!result.release) throw new Error(`The first launch was not released: ${JSON.stringify(result.gates)}`);
    // The second one: the engines are loaded by then.
    tookMs = performance.now() - startedMs;
  }
  return tookMs;
}

export const accuracy = (scores: readonly DayScore[], which: 'live' | 'frozen'): number =>
  scores.reduce((sum, score) => sum + score[which], 0) / scores.reduce((sum, score) => sum + score.rows, 0);
