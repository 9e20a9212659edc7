import { rankScores } from './binary-metrics.ts';
import type { ResamplePlan } from './bootstrap.ts';
import { RangeOfValueError, requireSameLength } from './errors.ts';
import { type Numbers, orderDescending } from './order.ts';

export const RANKING_METRICS = ['ndcg_at_10', 'map', 'mrr'] as const;
const NDCG_CUT = 10;

/** How good a document is worth: its grade (scikit-learn), or 2^grade - 1 (search engines, LightGBM's lambdarank). */
export type Gain = 'linear' | 'exponential';

function gainOf(relevance: number, gain: Gain): number {
  return gain === 'linear' ? relevance : 2 ** relevance - 1;
}

/**
 * Normalised discounted cumulative gain of one query's best `top` documents; documents of equal score share the mean of
 * their gains, which is the expectation over their orders. Source: Järvelin & Kekäläinen 2002; ties: McSherry & Najork 2008.
 * @param scores higher = better, shape [documents].  @param relevance grades >= 0.  @returns 0..1, NaN when nothing is relevant.
 */
export function ndcgAtK(scores: Numbers, relevance: Numbers, top: number, gain: Gain = 'linear'): number {
  const length = requireSameLength({ scores, relevance });
  if (!Number.isInteger(top) || top < 1) throw new RangeOfValueError(`"top" must be a whole number above 0, got ${top}.`);
  const gains = Float64Array.from({ length }, (_, row) => gainOf(requireGrade(relevance[row] as number, row), gain));
  const ideal = gains.toSorted().toReversed();
  let best = 0;
  for (let rank = 0; rank < Math.min(top, length); rank += 1) best += (ideal[rank] as number) / Math.log2(rank + 2);
  if (best === 0) return Number.NaN;
  const order = orderDescending(scores);
  let found = 0;
  for (let start = 0; start < Math.min(top, length);) {
    let end = start + 1;
    let sum = gains[order[start] as number] as number;
    while (end < length && scores[order[end] as number] === scores[order[start] as number]) sum += gains[order[end++] as number] as number;
    let discount = 0;
    for (let rank = start; rank < Math.min(top, end); rank += 1) discount += 1 / Math.log2(rank + 2);
    found += (sum / (end - start)) * discount;
    start = end;
  }
  return found / best;
}

function requireGrade(grade: number, row: number): number {
  if (!(grade >= 0)) throw new RangeOfValueError(`Relevance ${row} is ${grade}; grades are numbers from 0.`);
  return grade;
}

/** One over the rank of the first relevant document (grade above 0); of equal scores the relevant one comes last. NaN when there is none. */
export function reciprocalRank(scores: Numbers, relevance: Numbers): number {
  const length = requireSameLength({ scores, relevance });
  let best = Number.NEGATIVE_INFINITY;
  let isFound = false;
  for (let row = 0; row < length; row += 1) {
    if (!((relevance[row] as number) > 0)) continue;
    isFound = true;
    best = Math.max(best, scores[row] as number);
  }
  if (!isFound) return Number.NaN;
  let above = 0;
  let tiedRelevant = 0;
  let tied = 0;
  for (let row = 0; row < length; row += 1) {
    if ((scores[row] as number) > best) above += 1;
    if (scores[row] !== best) continue;
    tied += 1;
    if ((relevance[row] as number) > 0) tiedRelevant += 1;
  }
  return 1 / (above + tied - tiedRelevant + 1);
}

/** Average precision of one query, grades above 0 counting as relevant. NaN when there is none. */
export function queryAveragePrecision(scores: Numbers, relevance: Numbers): number {
  const length = requireSameLength({ scores, relevance });
  const labels = Uint8Array.from({ length }, (_, row) => ((relevance[row] as number) > 0 ? 1 : 0));
  const ranked = rankScores(scores, labels);
  let found = 0;
  let before = 0;
  let sum = 0;
  for (let rank = 0; rank < length; rank += 1) {
    found += ranked.labels[rank] as number;
    if (ranked.ends[rank] === 0) continue;
    sum += (found - before) * (found / (rank + 1));
    before = found;
  }
  return sum / found;
}

/** Rows of each query, queries in the order of their first row. @param queries any number that names a row's query. */
export function queryRows(queries: Numbers): Int32Array[] {
  const rows = new Map<number, number[]>();
  for (let row = 0; row < queries.length; row += 1) {
    const query = queries[row] as number;
    const list = rows.get(query);
    if (list) list.push(row);
    else rows.set(query, [row]);
  }
  return [...rows.values()].map((list) => Int32Array.from(list));
}

/**
 * Means over queries of nDCG of the first 10 (linear gain), average precision and reciprocal rank. The plan's rows are
 * the QUERIES: they are what is drawn, because documents of one query are not independent. A query without a relevant
 * document says nothing and does not count.
 */
export function rankingPlan(input: { readonly scores: Numbers; readonly relevance: Numbers; readonly queries: Numbers }): ResamplePlan {
  const { scores, relevance, queries } = input;
  requireSameLength({ scores, relevance, queries });
  const groups = queryRows(queries);
  const values = groups.map((rows) => {
    const own = Float64Array.from(rows, (row) => scores[row] as number);
    const grades = Float64Array.from(rows, (row) => relevance[row] as number);
    return [ndcgAtK(own, grades, NDCG_CUT), queryAveragePrecision(own, grades), reciprocalRank(own, grades)] as const;
  });
  return {
    rowCount: groups.length,
    names: RANKING_METRICS,
    evaluate(counts, out) {
      out.fill(0);
      let total = 0;
      values.forEach((each, query) => {
        const count = counts[query] as number;
        if (count === 0 || Number.isNaN(each[0])) return;
        total += count;
        for (let metric = 0; metric < each.length; metric += 1) out[metric] = (out[metric] as number) + count * (each[metric] as number);
      });
      for (let metric = 0; metric < RANKING_METRICS.length; metric += 1) out[metric] = (out[metric] as number) / total;
    },
  };
}
