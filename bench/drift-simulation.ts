/**
 * How often the drift rules cry wolf, and how often they see a wolf. `npx node bench/drift-simulation.ts [runs] [seed]`
 *
 * Each run draws a window of calls on 20 fields (15 numbers of three shapes, 5 texts) and compares it with one reference of
 * 10,000 rows, as a check of a monitor does. Stated: without drift at most 0.1 % of the checks call the data or any field drifted
 * (Benjamini-Hochberg at 0.001, then the size), whether the fields are independent or move together; with 8 of the 20 fields moved
 * by 0.7 deviations the data as a whole are called drifted in at least 95 % of the checks from 500 calls on.
 * Negative controls, which must fail: size alone without significance on small windows, and significance alone without size or
 * correction on large ones.
 */
import { FieldSketch, type Random, createRandom } from '@slipway/statistics';
import { type DriftThresholds, compareWithReference } from '../packages/monitoring/src/index.ts';

const RUNS = Number(process.argv[2] ?? 3_000);
const SEED = process.argv[3] ?? 'drift-simulation';
const FALSE_ALARMS_MAX = 0.001;
const POWER_MIN = 0.95;
const REFERENCE_ROWS = 10_000;
const NUMBERS = 15;
const TEXTS = 5;
const LEVELS = Array.from({ length: 8 }, (_, level) => `level ${level}`);

interface Draw {
  readonly rows: number;
  /** Share of each field's variance that is common to all of a row. */
  readonly common: number;
  /** The first so many fields are moved, by so many deviations. */
  readonly moved: number;
  readonly shift: number;
}

function drawWindow(random: Random, { rows, common, moved, shift }: Draw): Map<string, FieldSketch> {
  const shared = Float64Array.from({ length: rows }, () => random.normal());
  const latent = (field: number) =>
    shared.map((value) => Math.sqrt(common) * value + Math.sqrt(1 - common) * random.normal() + (field < moved ? shift : 0));
  const window = new Map<string, FieldSketch>();
  for (let field = 0; field < NUMBERS + TEXTS; field += 1) {
    // Texts come first and every third number, so that what moves is of all kinds.
    const isText = field % 4 === 1;
    const sketch = new FieldSketch(isText ? 'text' : 'number');
    const values = latent(field);
    if (isText) sketch.updateMany(Array.from(values, levelOf));
    else sketch.updateMany(field % 3 === 0 ? values : field % 3 === 1 ? values.map((value) => Math.exp(value / 2)) : values.map(rounded));
    window.set(`field_${field}`, sketch);
  }
  return window;
}

/** Eight levels of unequal frequency out of a normal number. */
function levelOf(value: number): string {
  return LEVELS[Math.max(0, Math.min(7, Math.floor(value * 1.5 + 4)))] as string;
}

function rounded(value: number): number {
  return Math.round(value * 4);
}

interface Found {
  readonly dataset: number;
  readonly field: number;
}

function simulate(draw: Draw, rules: { readonly thresholds?: Partial<DriftThresholds>; readonly datasetRatio?: number } = {}): Found {
  const random = createRandom(`${SEED} ${JSON.stringify(draw)}`);
  let reference = drawWindow(random, { ...draw, rows: REFERENCE_ROWS, moved: 0 });
  let [dataset, field] = [0, 0];
  for (let run = 0; run < RUNS; run += 1) {
    // A new reference now and then: one unlucky one must not decide the rate.
    if (run % 50 === 49) reference = drawWindow(random, { ...draw, rows: REFERENCE_ROWS, moved: 0 });
    const report = compareWithReference({ reference, current: drawWindow(random, draw), ...rules });
    if (report.dataset.verdict === 'drift') dataset += 1;
    if (report.verdict === 'drift') field += 1;
  }
  return { dataset, field };
}

/** Bound that the rate exceeds with a probability of 5 % at most (Clopper and Pearson), or falls below with `lower`. */
function bound(hits: number, side: 'upper' | 'lower'): number {
  const tail = (rate: number) => {
    // P(at most `hits`), or P(at least `hits`).
    let logTerm = RUNS * Math.log1p(-rate);
    let below = 0;
    // In logarithms: the first terms are far below the smallest double when the rate is large.
    for (let count = 0; count < hits; count += 1) {
      below += Math.exp(logTerm);
      logTerm += Math.log((RUNS - count) / (count + 1)) + Math.log(rate / (1 - rate));
    }
    return side === 'upper' ? below + Math.exp(logTerm) : 1 - below;
  };
  if (side === 'upper' && hits === RUNS) return 1;
  let [low, high] = [0, 1];
  for (let step = 0; step < 60; step += 1) {
    const middle = (low + high) / 2;
    if (tail(middle) > 0.05 === (side === 'upper')) low = middle;
    else high = middle;
  }
  return low;
}

const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
let failed = false;
function say(name: string, hits: number, verdict: boolean, more = ''): void {
  failed ||= !verdict;
  console.log(
    `${verdict ? 'ok  ' : 'FAIL'} ${name.padEnd(62)} ${String(hits).padStart(5)} of ${RUNS} = ${percent(hits / RUNS)} (95 %: ${percent(bound(hits, 'lower'))} to ${percent(bound(hits, 'upper'))})${more}`,
  );
}

console.log(`${RUNS} checks each, seed "${SEED}"; a rate passes when its lower bound does not exceed what is stated`);
for (const rows of [200, 500, 5_000]) {
  for (const common of [0, 0.9]) {
    const { dataset, field } = simulate({ rows, common, moved: 0, shift: 0 });
    const name = `no drift, ${rows} calls, ${common === 0 ? 'independent fields' : 'fields that move together'}`;
    say(`${name}: the data`, dataset, bound(dataset, 'lower') <= FALSE_ALARMS_MAX);
    say(`${name}: any field`, field, bound(field, 'lower') <= FALSE_ALARMS_MAX);
  }
}
for (const rows of [200, 500, 5_000]) {
  const { dataset } = simulate({ rows, common: 0.3, moved: 8, shift: 0.7 });
  say(`8 of 20 fields moved by 0.7 deviations, ${rows} calls: the data`, dataset, rows < 500 || dataset / RUNS >= POWER_MIN);
}
const sizeOnly = simulate({ rows: 200, common: 0, moved: 0, shift: 0 }, { thresholds: { significance: 1, drift: 0.06 } });
say('control: size alone, 200 calls: any field', sizeOnly.field, bound(sizeOnly.field, 'lower') > FALSE_ALARMS_MAX, ' must fail, and does');
const tiny = 1e-9;
const chanceOnly = simulate(
  { rows: 5_000, common: 0, moved: 20, shift: 0.08 },
  { thresholds: { drift: tiny, wassersteinDrift: tiny, jsDistanceDrift: tiny, missingDrift: 1 } },
);
say(
  'control: significance alone, moves of 0.08, 5,000 calls: the data',
  chanceOnly.dataset,
  chanceOnly.dataset / RUNS > 0.5,
  ' must fail, and does',
);
const whole = simulate({ rows: 5_000, common: 0, moved: 20, shift: 0.08 });
say('the same moves by our rule: the data', whole.dataset, bound(whole.dataset, 'lower') <= FALSE_ALARMS_MAX);
process.exitCode = failed ? 1 : 0;
