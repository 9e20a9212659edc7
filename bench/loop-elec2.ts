/**
 * The loop on a stream whose concept drifts: `node bench/loop-elec2.ts [--days N] [--day-ms 1000]`, data from ../shared/data.
 *
 * A real server (in a home of its own) gets a model launched from the first 1,000 rows of elec2_nsw_electricity, with a retraining
 * policy. The other 44,312 rows are replayed in the order of time through the HTTP API, one call a half-hour with its event
 * time; labels come one day (48 rows) late. Nobody touches anything. A second release without a policy answers the same rows.
 *
 * Columns: period, weekday (from the date), nswprice, nswdemand, vicprice, vicdemand, transfer; `date` is the time and is not
 * learnt from. The file has no dates, so half-hours are counted from 7 May 1996. Pace: one day of events in `--day-ms`; left out,
 * a second, or a fifth of what the second launch took when that is more: training, judging and comparing once then costs about ten
 * days of events. The whole stream takes 16 minutes. Faster streams leave less time: at 0.28 s a day 0.75 was reached, at 0.14 s (the
 * server then answers a day in 0.18 s) 0.72.
 *
 * Claims: accuracy over the stream >= 0.74, of the frozen model near 0.60 and below 0.70 (the negative control), every
 * revision explained in the release's history. Exits with 1 when one fails.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Client, createClient } from '@slipway/client';
import {
  type DayScore,
  accuracy,
  hasElectricity,
  launchBoth,
  readElectricity,
  replayDays,
  ROWS_PER_DAY,
} from '../conformance/loop/electricity-stream.ts';
import { KEY, startSlipway } from './support/slipway-process.ts';

const FIRST_ROWS = 1_000;
/** Days of events that pass at least while a model is launched, and the shortest day. */
const LAUNCH_DAYS = 5;
const DAY_MS_MIN = 1_000;
const { values } = parseArgs({
  options: { days: { type: 'string' }, 'day-ms': { type: 'string' } },
});

const POLICY = {
  on: [
    { kind: 'quality' as const, drop: 0.05, window: '14d' },
    { kind: 'new-data' as const, rows: 480 },
    { kind: 'drift' as const, window: '14d' },
  ],
  data: { rows: 3_000, original: false, holdBack: 0.1 },
  margin: 0.05,
  rollout: {
    strategy: 'shadow' as const,
    goals: [{ metric: 'outcome' as const, outcome: 'label', score: 'correct' as const, margin: 0.1 }],
    minUnits: 96,
    minStepSeconds: 0,
    lookSeconds: 0.5,
  },
  coolDown: '5d',
  budget: { runs: 1_000, days: 1, seconds: 7_200 },
  expectedGain: { rows: 240 },
};

async function main(): Promise<number> {
  if (!hasElectricity()) {
    console.log('skipped: ../shared/data/elec2_nsw_electricity is not there');
    return 0;
  }
  const home = await mkdtemp(join(tmpdir(), 'slipway-loop-'));
  const server = await startSlipway({ home });
  try {
    const client = createClient({ url: server.url, key: KEY });
    const rows = readElectricity();
    const launchMs = await launchBoth(client, rows.slice(0, FIRST_ROWS), POLICY as never);
    const dayMs = values['day-ms'] === undefined ? Math.max(DAY_MS_MIN, launchMs / LAUNCH_DAYS) : Number(values['day-ms']);
    const days = values.days === undefined ? Number.POSITIVE_INFINITY : Number(values.days);
    const stream = rows.slice(FIRST_ROWS, Math.min(rows.length, FIRST_ROWS + days * ROWS_PER_DAY));
    const startedMs = performance.now();
    const scores = await replayDays(client, stream, {
      live: 'electricity',
      frozen: 'electricity-frozen',
      dayMs,
      onDay: showMonth(),
    });
    const seconds = (performance.now() - startedMs) / 1000;
    console.log(
      `\n${stream.length} rows, ${scores.length} days of events in ${seconds.toFixed(0)} s (${(seconds / scores.length).toFixed(2)} s a day)`,
    );
    return await judge(client, scores);
  } finally {
    await server.stop();
    await rm(home, { recursive: true, force: true });
  }
}

/** Prints a line when a month of events is over. */
function showMonth(): (score: DayScore) => void {
  let month: DayScore[] = [];
  console.log('month     live   frozen');
  return (score) => {
    const name = (each: DayScore) => new Date(each.timeMs).toISOString().slice(0, 7);
    const [first] = month;
    if (first && name(first) !== name(score)) {
      console.log(`${name(first)}  ${accuracy(month, 'live').toFixed(3)}  ${accuracy(month, 'frozen').toFixed(3)}`);
      month = [];
    }
    month.push(score);
  };
}

async function judge(client: Client, scores: readonly DayScore[]): Promise<number> {
  // In this order: a retraining that is still going on may publish in between.
  const { revisions } = await client.releases.get('electricity');
  const { items } = await client.releases.history('electricity');
  const { attempts } = await client.retraining.get('electricity');
  const count = (status: string) => attempts.filter((attempt) => attempt.status === status).length;
  const started = attempts.filter((attempt) => attempt.status !== 'skipped');
  const byTrigger = Map.groupBy(started, (attempt) => attempt.trigger.kind);
  console.log(
    `retrainings ${started.length}: promoted ${count('promoted')}, rolled back ${count('rolled-back')}, refused ${count('refused')}, failed ${count('failed')}, running ${count('running')}; skips ${count('skipped')}`,
  );
  console.log(`triggers: ${[...byTrigger].map(([kind, of]) => `${kind} ${of.length}`).join(', ')}`);
  const took = started
    .flatMap(({ at, endedAt }) => (endedAt === null ? [] : [(Date.parse(endedAt) - Date.parse(at)) / 1000]))
    .toSorted((a, b) => a - b);
  console.log(
    `from trigger to verdict, median ${took[Math.floor(took.length / 2)]?.toFixed(1)} s; training ${started.map((each) => each.trainSeconds ?? 0).toSorted((a, b) => a - b)[Math.floor(started.length / 2)]} s`,
  );
  for (const attempt of attempts.filter((each) => each.status === 'failed').slice(0, 3)) console.log(`failed: ${attempt.reason}`);
  const explained = (number: number) =>
    items.some(
      ({ type, data }) =>
        type === 'releases.revision.created' &&
        (data as { revision: number }).revision === number &&
        String((data as { reason: string | null }).reason).startsWith('retrained: '),
    );
  const unexplained = revisions.filter(({ number }) => number > 1 && !explained(number));
  const live = accuracy(scores, 'live');
  const frozen = accuracy(scores, 'frozen');
  const claims: [string, boolean][] = [
    [`accuracy over the stream ${live.toFixed(4)} >= 0.74`, live >= 0.74],
    [`accuracy of the frozen model ${frozen.toFixed(4)} near 0.60 (0.55 to 0.65)`, frozen >= 0.55 && frozen <= 0.65],
    [`negative control: without retraining ${frozen.toFixed(4)} < 0.70`, frozen < 0.7],
    [`${revisions.length - 1} retrained revisions, each explained in the history`, revisions.length > 1 && unexplained.length === 0],
    [`no retraining failed`, count('failed') === 0],
  ];
  for (const [claim, holds] of claims) console.log(`${holds ? 'ok  ' : 'FAIL'} ${claim}`);
  return claims.every(([, holds]) => holds) ? 0 : 1;
}

process.exitCode = await main();
