import { createRandom } from '@slipway/statistics';

/** One division of the training rows; positions are ascending. */
export interface Fold {
  readonly train: Int32Array;
  readonly test: Int32Array;
}

/** How hyper-parameters were chosen; `fixed` when they were given. */
export type SelectionStrategy = 'cross-validation' | 'holdout' | 'fixed';

export interface FoldPlan {
  readonly strategy: SelectionStrategy;
  readonly folds: readonly Fold[];
}

interface Scheme {
  readonly rowsBelow: number;
  readonly parts: number;
  readonly repeats: number;
}

/** Small tables need repeats for a steady choice; on large ones a single fifth is steady enough. */
const SCHEMES: readonly Scheme[] = [
  { rowsBelow: 500, parts: 5, repeats: 3 },
  { rowsBelow: 2_000, parts: 5, repeats: 2 },
  { rowsBelow: 20_000, parts: 5, repeats: 1 },
  { rowsBelow: 100_000, parts: 3, repeats: 1 },
];
const HOLDOUT_RATIO = 0.2;
/**
 * Ends of the rows that judge, as shares of all rows in order of time, and how many of them judge: about as much of the
 * future as a model meets before its next training, after about as many rows as it will have learnt from. The latest come
 * first, because they are most like what is to come, and decide what is not looked at further.
 */
const FORWARD_ENDS = [1, 0.9, 0.8] as const;
const FORWARD_RATIO = 0.2;

/**
 * Divides rows for choosing a model; classes keep their shares, and a class of two rows or more is never missing from
 * the rows trained on: rows of a class are dealt out to the parts in turn. Deterministic by seed.
 * @param groups rows of one group stay together, in one part; classes are then not looked at.
 */
export function planFolds(target: Float64Array, isClasses: boolean, seed: number | string, groups?: Int32Array): FoldPlan {
  const scheme = SCHEMES.find((each) => target.length < each.rowsBelow);
  const folds: Fold[] = [];
  if (!scheme) {
    const partCount = Math.round(1 / HOLDOUT_RATIO);
    const parts = groups ? assignGroups(groups, partCount, `${seed}/0`) : assignParts(target, isClasses, partCount, `${seed}/0`);
    return { strategy: 'holdout', folds: [foldOf(parts, 0)] };
  }
  for (let repeat = 0; repeat < scheme.repeats; repeat += 1) {
    const parts = groups
      ? assignGroups(groups, scheme.parts, `${seed}/${repeat}`)
      : assignParts(target, isClasses, scheme.parts, `${seed}/${repeat}`);
    for (let part = 0; part < scheme.parts; part += 1) folds.push(foldOf(parts, part));
  }
  return { strategy: 'cross-validation', folds };
}

/**
 * Folds for rows that will be judged by later ones: each trains on the earlier rows and holds out those that follow, so
 * that what only helps between neighbours in time does not look good. A row may judge twice. One such fold for a large table.
 */
export function planForwardFolds(time: Float64Array, isLarge = SCHEMES.every((each) => time.length >= each.rowsBelow)): FoldPlan {
  const rows = Int32Array.from(time, (_, row) => row);
  // Rows without a time count as the earliest.
  const at = (row: number) => (Number.isNaN(time[row]) ? Number.NEGATIVE_INFINITY : (time[row] as number));
  rows.sort((left, right) => (at(left) === at(right) ? left - right : at(left) < at(right) ? -1 : 1));
  const ends = isLarge ? FORWARD_ENDS.slice(0, 1) : FORWARD_ENDS;
  const folds = ends.map((end): Fold => {
    const from = Math.floor((end - FORWARD_RATIO) * rows.length);
    return { train: rows.slice(0, from).toSorted(), test: rows.slice(from, Math.floor(end * rows.length)).toSorted() };
  });
  return { strategy: isLarge ? 'holdout' : 'cross-validation', folds };
}

/** The part of each row: shuffled, dealt out in turn, class by class when stratified. */
function assignParts(target: Float64Array, isClasses: boolean, partCount: number, seed: string): Uint8Array {
  const order = createRandom(seed).shuffle(Int32Array.from(target, (_, row) => row));
  if (isClasses) order.sort((left, right) => (target[left] as number) - (target[right] as number));
  const parts = new Uint8Array(target.length);
  order.forEach((row, position) => {
    parts[row] = position % partCount;
  });
  return parts;
}

/** The part of each row when groups are dealt out in turn. */
function assignGroups(groups: Int32Array, partCount: number, seed: string): Uint8Array {
  const names = createRandom(seed).shuffle(Int32Array.from(new Set(groups)));
  const partOf = new Map(Array.from(names, (name, position) => [name, position % partCount]));
  return Uint8Array.from(groups, (group) => partOf.get(group) ?? 0);
}

function foldOf(parts: Uint8Array, part: number): Fold {
  const train: number[] = [];
  const test: number[] = [];
  parts.forEach((each, row) => (each === part ? test : train).push(row));
  return { train: Int32Array.from(train), test: Int32Array.from(test) };
}
