import type { LaunchResult } from '@slipway/project/contract';
import { short, table } from './output.ts';

/** Disparities shown to people; the report has all. */
const DISPARITY_LIMIT = 12;

/** Slices the model does worse on, disparities between groups with what lessening them costs, and decisions that break. */
export function conductLines(result: LaunchResult): string {
  return [slicesTable(result), fairnessTable(result), mitigationTable(result), warningLines(result)]
    .filter((part) => part !== '')
    .join('\n\n');
}

function slicesTable({ slices }: LaunchResult): string {
  const rows = slices.map((slice) => [
    slice.label,
    String(slice.rows),
    short(slice.value),
    `${short(slice.low)} … ${short(slice.high)}`,
    short(slice.rest),
    `${short(slice.lift)}x`,
  ]);
  return rows.length === 0 ? '' : table(rows, ['worse where', 'rows', slices[0]?.metric ?? '', '95 % interval', 'elsewhere', 'loss']);
}

function fairnessTable({ fairness }: LaunchResult): string {
  const rows = (fairness?.disparities ?? [])
    .slice(0, DISPARITY_LIMIT)
    .map((each) => [each.columns.join(' × '), each.measure, short(each.value), `${short(each.low)} … ${short(each.high)}`]);
  return rows.length === 0 ? '' : table(rows, ['sensitive', 'disparity', 'value', '95 % interval']);
}

function mitigationTable({ fairness }: LaunchResult): string {
  const rows = (fairness?.mitigations ?? []).map((each) => [
    `${each.method}${each.applied ? ' (applied)' : ''}`,
    each.columns.join(' × '),
    each.criterion,
    `${short(each.before)} → ${short(each.after)}`,
    `${short(each.price.value)} (${short(each.price.low)} … ${short(each.price.high)})`,
  ]);
  return rows.length === 0 ? '' : table(rows, ['mitigation', 'sensitive', 'evens out', 'difference', 'costs accuracy']);
}

function warningLines({ fairness, robustness }: LaunchResult): string {
  return [
    ...(fairness?.warnings ?? []).map((warning) => `fairness: ${warning}`),
    ...(robustness?.warnings ?? []).map((warning) => `robustness: ${warning}`),
  ].join('\n');
}
