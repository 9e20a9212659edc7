/** Targets of a ranking: grades, the query of each row, and weights that the caller applies. */
export interface RankingTargets {
  readonly target: Float64Array;
  readonly queries?: Int32Array | undefined;
}

/** Ranks whose order the gradients care about (LightGBM's `lambdarank_truncation_level`). */
const TRUNCATION_LEVEL = 30;
/** nDCG of a ranking is judged by this many first rows while training. */
export const NDCG_RANKS = 10;
/** Grades above this are treated as this: the gain is 2 ** grade. */
const GRADE_LIMIT = 31;
/** Keeps differences of equal scores from dividing by zero (LightGBM's constant). */
const SCORE_DISTANCE_FLOOR = 0.01;

/** Rows of each query in ascending order, queries by first appearance. */
interface QueryRows {
  readonly rows: Int32Array;
  /** Query q has rows[start[q] .. start[q + 1]). */
  readonly start: Int32Array;
}

const known = new WeakMap<Int32Array, QueryRows>();

/** Groups rows by query; without queries all rows are one. Remembered, since every round asks. */
function queryRows({ target, queries = new Int32Array(target.length) }: RankingTargets): QueryRows {
  const found = known.get(queries);
  if (found) return found;
  const position = new Map<number, number>();
  const own = Int32Array.from(queries, (query) => {
    const at = position.get(query) ?? position.size;
    position.set(query, at);
    return at;
  });
  const start = new Int32Array(position.size + 1);
  for (const query of own) start[query + 1] = (start[query + 1] as number) + 1;
  for (let query = 0; query < position.size; query += 1) start[query + 1] = (start[query + 1] as number) + (start[query] as number);
  const next = start.slice();
  const rows = new Int32Array(own.length);
  own.forEach((query, row) => {
    const at = next[query] as number;
    rows[at] = row;
    next[query] = at + 1;
  });
  const grouped = { rows, start };
  known.set(queries, grouped);
  return grouped;
}

const gainOf = (grade: number) => 2 ** Math.min(GRADE_LIMIT, grade) - 1;
const discountOf = (rank: number) => 1 / Math.log2(rank + 2);

function idealGain(grades: Float64Array, ranks: number): number {
  const sorted = grades.toSorted().toReversed();
  let sum = 0;
  for (let rank = 0; rank < Math.min(ranks, sorted.length); rank += 1) sum += gainOf(sorted[rank] as number) * discountOf(rank);
  return sum;
}

/** Positions by falling score; equal scores keep their order. */
function ranked(scores: Float64Array): Int32Array {
  return Int32Array.from(scores, (_, index) => index).sort(
    (left, right) => (scores[right] as number) - (scores[left] as number) || left - right,
  );
}

/**
 * LambdaRank (Burges 2010) with nDCG gains, normalised by query as LightGBM does: pairs of one query whose grades differ
 * push each other apart by what swapping them would change in nDCG.
 */
export function lambdarankGradients(targets: RankingTargets, scores: Float64Array, pairs: Float64Array): void {
  pairs.fill(0, 0, targets.target.length * 2);
  const { rows, start } = queryRows(targets);
  for (let query = 0; query + 1 < start.length; query += 1) {
    const own = rows.subarray(start[query] as number, start[query + 1] as number);
    if (own.length > 1) queryGradients(own, targets.target, scores, pairs);
  }
}

function queryGradients(rows: Int32Array, target: Float64Array, allScores: Float64Array, pairs: Float64Array): void {
  const grades = Float64Array.from(rows, (row) => target[row] as number);
  const ideal = idealGain(grades, TRUNCATION_LEVEL);
  if (ideal <= 0) return;
  const scores = Float64Array.from(rows, (row) => allScores[row] as number);
  const order = ranked(scores);
  const gains = grades.map(gainOf);
  const discounts = grades.map((_, rank) => discountOf(rank));
  const isFlat = scores[order[0] as number] === scores[order[order.length - 1] as number];
  let sum = 0;
  const last = Math.min(TRUNCATION_LEVEL, rows.length - 1);
  for (let first = 0; first < last; first += 1) {
    for (let second = first + 1; second < rows.length; second += 1) {
      const one = order[first] as number;
      const two = order[second] as number;
      if (grades[one] === grades[two]) continue;
      const [better, worse] = (grades[one] as number) > (grades[two] as number) ? [one, two] : [two, one];
      const difference = (scores[better] as number) - (scores[worse] as number);
      const swap = Math.abs((discounts[first] as number) - (discounts[second] as number));
      let change = (((gains[better] as number) - (gains[worse] as number)) * swap) / ideal;
      if (!isFlat) change /= SCORE_DISTANCE_FLOOR + Math.abs(difference);
      const doubt = 1 / (1 + Math.exp(difference));
      const gradient = change * doubt;
      push(pairs, rows[better] as number, -gradient, change * doubt * (1 - doubt));
      push(pairs, rows[worse] as number, gradient, change * doubt * (1 - doubt));
      sum += 2 * gradient;
    }
  }
  if (sum > 0) scale(pairs, rows, Math.log2(1 + sum) / sum);
}

function push(pairs: Float64Array, row: number, gradient: number, hessian: number): void {
  pairs[2 * row] = (pairs[2 * row] as number) + gradient;
  pairs[2 * row + 1] = (pairs[2 * row + 1] as number) + hessian;
}

function scale(pairs: Float64Array, rows: Int32Array, factor: number): void {
  for (const row of rows) {
    pairs[2 * row] = (pairs[2 * row] as number) * factor;
    pairs[2 * row + 1] = (pairs[2 * row + 1] as number) * factor;
  }
}

/**
 * 1 - nDCG of its query's first NDCG_RANKS rows, divided among the rows of the query so that the mean over rows is the mean
 * over queries. Rows of equal score are taken in the order that is worst, so that a constant score gains nothing by luck.
 * A query without a relevant row counts 0.
 */
export function rankingLosses(targets: RankingTargets, scores: Float64Array): Float64Array {
  const { rows, start } = queryRows(targets);
  const losses = new Float64Array(rows.length);
  const queryCount = start.length - 1;
  for (let query = 0; query < queryCount; query += 1) {
    const own = rows.subarray(start[query] as number, start[query + 1] as number);
    const grades = Float64Array.from(own, (row) => targets.target[row] as number);
    const ideal = idealGain(grades, NDCG_RANKS);
    if (ideal <= 0) continue;
    const order = Int32Array.from(own, (_, index) => index).sort((left, right) => {
      const difference = (scores[own[right] as number] as number) - (scores[own[left] as number] as number);
      return difference || (grades[left] as number) - (grades[right] as number) || left - right;
    });
    let gained = 0;
    for (let rank = 0; rank < Math.min(NDCG_RANKS, order.length); rank += 1)
      gained += gainOf(grades[order[rank] as number] as number) * discountOf(rank);
    const share = ((1 - gained / ideal) * rows.length) / (queryCount * own.length);
    for (const row of own) losses[row] = share;
  }
  return losses;
}
