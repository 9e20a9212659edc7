import { normalCdf, normalQuantile } from '@slipway/statistics';
import type { DecisionCount } from '@slipway/telemetry';
import type { Fairness } from '../contract.ts';
import { GROUP_COUNT_MIN, SELECTION_RATIO_MIN } from '../limits.ts';

/** Chance that groups treated alike are told apart, over all comparisons of a column. */
const SIGNIFICANCE = 0.01;

/**
 * Live decisions by group: how often each group is given the favourable answer, with Wilson's interval, and where outcomes are
 * known, how often that was right. The least selected group is compared with the most selected one by the four-fifths rule
 * and must also differ by more than chance allows. Counts are of calls; groups below a minimum are shown and not judged.
 */
export function judgeFairness(
  cells: readonly DecisionCount[],
  options: { readonly column: string; readonly favourable: string },
): Fairness {
  const groups = groupsOf(cells, options.favourable);
  const judged = groups.filter((group) => group.count >= GROUP_COUNT_MIN).toSorted((a, b) => a.selection.value - b.selection.value);
  const [least, most] = [judged[0], judged.at(-1)];
  const base = { column: options.column, favourable: options.favourable, groups };
  if (!least || !most || judged.length < 2) {
    return { ...base, verdict: 'not-enough-data', reason: `fewer than two groups have ${GROUP_COUNT_MIN} calls`, ratio: null };
  }
  const ratio = most.selection.value === 0 ? 1 : least.selection.value / most.selection.value;
  // Every pair of groups could have been the extreme one.
  const comparisons = (judged.length * (judged.length - 1)) / 2;
  const isSure = pValueOf(least, most) * comparisons < SIGNIFICANCE;
  const verdict = ratio < SELECTION_RATIO_MIN && isSure ? 'drift' : 'ok';
  const said = `"${least.group}" gets "${options.favourable}" ${ratio.toPrecision(3)} times as often as "${most.group}"`;
  const chance = ratio < SELECTION_RATIO_MIN && !isSure ? ', which may be chance' : '';
  return { ...base, verdict, ratio, reason: `${said}; at least ${SELECTION_RATIO_MIN} is asked for${chance}` };
}

type Group = Fairness['groups'][number];

function groupsOf(cells: readonly DecisionCount[], favourable: string): Group[] {
  const byGroup = Map.groupBy(cells, (cell) => cell.group);
  return [...byGroup]
    .map(([group, own]) => {
      const count = sum(own, () => true);
      const selected = sum(own, (cell) => cell.prediction === favourable);
      const known = own.filter((cell) => cell.outcome !== null);
      const positives = sum(known, (cell) => cell.outcome === favourable);
      const negatives = sum(known, (cell) => cell.outcome !== favourable);
      return {
        group,
        count,
        selection: wilson(selected, count),
        outcomes: positives + negatives,
        accuracy: ratioOf(
          sum(known, (cell) => cell.outcome === cell.prediction),
          positives + negatives,
        ),
        truePositiveRate: ratioOf(
          sum(known, (cell) => cell.outcome === favourable && cell.prediction === favourable),
          positives,
        ),
        falsePositiveRate: ratioOf(
          sum(known, (cell) => cell.outcome !== favourable && cell.prediction === favourable),
          negatives,
        ),
      };
    })
    .toSorted((a, b) => b.count - a.count || (a.group < b.group ? -1 : 1));
}

function sum(cells: readonly DecisionCount[], is: (cell: DecisionCount) => boolean): number {
  return cells.reduce((total, cell) => total + (is(cell) ? cell.count : 0), 0);
}

function ratioOf(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

/** Wilson's score interval at 95 %. */
function wilson(hits: number, count: number): Group['selection'] {
  const z = normalQuantile(0.975);
  const value = hits / count;
  const centre = (value + z ** 2 / (2 * count)) / (1 + z ** 2 / count);
  const half = (z / (1 + z ** 2 / count)) * Math.sqrt((value * (1 - value)) / count + z ** 2 / (4 * count ** 2));
  return { value, low: hits === 0 ? 0 : Math.max(0, centre - half), high: hits === count ? 1 : Math.min(1, centre + half) };
}

/** Two-sided test of two proportions with the pooled variance. */
function pValueOf(first: Group, second: Group): number {
  const pooled = (first.selection.value * first.count + second.selection.value * second.count) / (first.count + second.count);
  const error = Math.sqrt(pooled * (1 - pooled) * (1 / first.count + 1 / second.count));
  return error === 0 ? 1 : 2 * (1 - normalCdf(Math.abs(first.selection.value - second.selection.value) / error));
}
