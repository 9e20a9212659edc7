import type { GateDefinition, GateResult } from '../contract.ts';
import type { Comparison } from './contract.ts';
import { type Shown, rowsNeeded } from './rows-needed.ts';

type ChampionGate = Extract<GateDefinition, { kind: 'champion' }>;

/** A refusal for noise says what it would take. */
function adviceOf({ margin, require }: ChampionGate, found: Pick<Shown, 'value' | 'low' | 'rows'>): string {
  const needed = rowsNeeded({ ...found, margin, require });
  if (needed === null || needed <= found.rows) return 'More rows to judge by would hardly change that.';
  const of = require === 'better' ? 'as much better as it was here' : 'equally good';
  return `About ${Number(needed.toPrecision(2))} rows to judge by would show it of a version that is ${of}.`;
}

const show = (value: number) => String(Number(value.toPrecision(4)));

/**
 * The live version as a gate: by the primary metric on the same rows, the paired interval of the improvement has to lie above
 * minus the margin (`no-worse`), or above 0 (`better`). Rows that the live version has learnt from prove nothing.
 */
export function decideChampion(gate: ChampionGate, comparison: Comparison | null): GateResult {
  const isBetter = gate.require === 'better';
  const threshold = isBetter ? 0 : -gate.margin;
  const name = isBetter ? 'better than the live version' : `no worse than the live version by ${gate.margin}`;
  const compared = comparison?.metrics.find((each) => each.metric === comparison.primary);
  const { value, low, high } = compared?.improvement ?? { value: null, low: null, high: null };
  if (!comparison || value === null || low === null || high === null) {
    const message = 'The live version was not judged by the same rows, or the metric is undefined on them. See the notes of the report.';
    return { name, passed: false, value: null, threshold, message };
  }
  if (comparison.overlap !== 'none') {
    const message = `The live version may have learnt from some of the ${comparison.rows} rows, so the comparison proves nothing. Judge by later rows.`;
    return { name, passed: false, value: low, threshold, message };
  }
  const found = `${comparison.primary} changes by ${show(value)} (${show(low)} to ${show(high)}) over ${comparison.rows} rows`;
  if (isBetter ? low > 0 : low >= threshold) return { name, passed: true, value: low, threshold, message: `${found}.` };
  const message = `${found}, so it is not shown to be ${isBetter ? 'better' : `within ${gate.margin}`}. The live version stays. ${adviceOf(gate, { value, low, rows: comparison.rows })}`;
  return { name, passed: false, value: low, threshold, message };
}
