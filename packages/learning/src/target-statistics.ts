import { createRandom } from '@slipway/statistics';
import type { Supervision } from './supervision.ts';

/** A category needs this many levels before its mean targets are worth a feature; below, trainers see every level. */
export const STATISTIC_LEVELS_MIN = 30;
/** Levels whose means are kept, the most frequent. */
const STATISTIC_LEVEL_LIMIT = 20_000;
/** Classes that get a mean each; beyond, only the categories' codes are learnt from. */
export const STATISTIC_CLASS_LIMIT = 10;
const FOLD_COUNT = 5;
/** Rows that the overall mean weighs in the mean of a level. */
const PRIOR_ROWS = 10;

/** Smoothed mean target of each level of a category. */
export interface TargetStatistic {
  readonly levels: readonly string[];
  /** float32 mean of each level. */
  readonly values: readonly number[];
  /** For unseen levels: the overall mean. */
  readonly otherwise: number;
  readonly missing: number;
}

export interface FittedStatistic {
  /** One per output. */
  readonly statistics: readonly TargetStatistic[];
  /** [rows × outputs]: by the means of the other folds' rows. */
  readonly scores: Float64Array;
}

interface Sums {
  readonly weights: Float64Array;
  readonly targets: Float64Array;
}

/**
 * Mean targets of levels, shrunk to the overall mean by PRIOR_ROWS rows (Micci-Barreca 2001); training rows get the
 * means of the other folds, so that no row sees its own target.
 * @param codes level of each row, -1 = missing.
 */
export function fitStatistic(codes: Int32Array, levels: readonly string[], supervision: Supervision): FittedStatistic {
  const { outputCount, task } = supervision;
  const parts = foldsOf(codes.length, supervision.seed);
  const scores = new Float64Array(codes.length * outputCount);
  const statistics: TargetStatistic[] = [];
  const used = mostFrequent(codes, levels.length);
  for (let output = 0; output < outputCount; output += 1) {
    const targets = task === 'multiclass' ? supervision.target.map((value) => (value === output ? 1 : 0)) : supervision.target;
    const add = (into: Sums, row: number, sign: number) =>
      addRow(into, { codes, targets, supervision, row, sign, levelCount: levels.length });
    const total = emptySums(levels.length);
    for (let row = 0; row < codes.length; row += 1) add(total, row, 1);
    for (let part = 0; part < FOLD_COUNT; part += 1) {
      const others = { weights: total.weights.slice(), targets: total.targets.slice() };
      parts.forEach((each, row) => each === part && add(others, row, -1));
      const prior = priorOf(others);
      parts.forEach((each, row) => {
        if (each === part)
          scores[row * outputCount + output] = Math.fround(meanOf(others, slotOf(codes[row] as number, levels.length), prior));
      });
    }
    const prior = priorOf(total);
    statistics.push({
      levels: used.map((code) => levels[code] as string),
      values: used.map((code) => Math.fround(meanOf(total, code, prior))),
      otherwise: Math.fround(prior),
      missing: Math.fround(meanOf(total, levels.length, prior)),
    });
  }
  return { statistics, scores };
}

/** Missing values have the slot after the last level. */
const slotOf = (code: number, levelCount: number) => (code < 0 ? levelCount : code);

function emptySums(levelCount: number): Sums {
  return { weights: new Float64Array(levelCount + 1), targets: new Float64Array(levelCount + 1) };
}

interface RowOf {
  readonly codes: Int32Array;
  readonly targets: Float64Array;
  readonly supervision: Supervision;
  readonly row: number;
  readonly sign: number;
  readonly levelCount: number;
}

function addRow(sums: Sums, { codes, targets, supervision, row, sign, levelCount }: RowOf): void {
  const slot = slotOf(codes[row] as number, levelCount);
  const weight = sign * (supervision.weights ? (supervision.weights[row] as number) : 1);
  sums.weights[slot] = (sums.weights[slot] as number) + weight;
  sums.targets[slot] = (sums.targets[slot] as number) + weight * (targets[row] as number);
}

function priorOf({ weights, targets }: Sums): number {
  const total = weights.reduce((sum, each) => sum + each, 0);
  return total > 0 ? targets.reduce((sum, each) => sum + each, 0) / total : 0;
}

function meanOf({ weights, targets }: Sums, slot: number, prior: number): number {
  // Differences of sums leave dust where nothing is left.
  const weight = Math.max(0, weights[slot] as number);
  return weight < 1e-9 ? prior : ((targets[slot] as number) + PRIOR_ROWS * prior) / (weight + PRIOR_ROWS);
}

function foldsOf(rowCount: number, seed: number | string): Uint8Array {
  const parts = new Uint8Array(rowCount);
  createRandom(`${seed}/statistics`)
    .shuffle(Int32Array.from({ length: rowCount }, (_, row) => row))
    .forEach((row, position) => {
      parts[row] = position % FOLD_COUNT;
    });
  return parts;
}

/** Codes of levels with two rows or more, most frequent first. */
function mostFrequent(codes: Int32Array, levelCount: number): number[] {
  const counts = new Int32Array(levelCount);
  for (const code of codes) if (code >= 0) counts[code] = (counts[code] as number) + 1;
  return [...counts.keys()]
    .filter((code) => (counts[code] as number) >= 2)
    .toSorted((left, right) => (counts[right] as number) - (counts[left] as number) || left - right)
    .slice(0, STATISTIC_LEVEL_LIMIT);
}
