import type { LaunchResult } from '@slipway/project/contract';
import { conductLines } from './show-conduct.ts';
import { unsupervisedHeading, unsupervisedLines } from './show-unsupervised.ts';
import { rulesLines } from './show-rules.ts';
import { worthLines } from './show-worth.ts';
import { forecastHeading, forecastLines } from './show-forecast.ts';
import { short, table } from './output.ts';

/** A launch for people: what was made, how good it is, what stood in its way, and the call that uses it. */
export function showLaunch(result: LaunchResult): string {
  return [
    heading(result),
    metricsTable(result),
    worthLines(result),
    rulesLines(result),
    forecastLines(result),
    unsupervisedLines(result),
    importanceLine(result),
    conductLines(result),
    leakageLines(result),
    gatesTable(result),
    ending(result),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function heading(result: LaunchResult): string {
  const own = forecastHeading(result) ?? unsupervisedHeading(result);
  if (own !== undefined) return own;
  const { trainer, task, rows, split, version, seconds } = result;
  return [
    `${task} model by ${trainer}: ${rows.train} rows to learn from, ${rows.test} to judge by (${split.strategy} split, seed ${split.seed})`,
    `version ${version}${result.created ? '' : ' (already there: same recipe)'}, ${short(seconds.total)} s`,
  ].join('\n');
}

function metricsTable({ metrics, baseline }: LaunchResult): string {
  const rows = Object.entries(metrics).map(([name, { value, low, high }]) => [
    name,
    short(value),
    `${short(low)} … ${short(high)}`,
    short(baseline[name]),
  ]);
  return rows.length === 0 ? '' : table(rows, ['metric', 'value', '95 % interval', 'baseline']);
}

function importanceLine({ importances }: LaunchResult): string {
  const shown = importances.filter((each) => each.importance > 0).slice(0, 6);
  return shown.length === 0 ? '' : `goes by: ${shown.map((each) => `${each.column} (${short(each.importance)})`).join(', ')}`;
}

/** Evidence rows printed with a finding; the report has a few more. */
const LEAK_ROWS_SHOWN = 3;

function leakageLines({ leakage, notes }: LaunchResult): string {
  const lines = [
    ...leakage.flatMap((leak) => [
      `leak: ${leak.column} (${leak.kind}): ${leak.reason} [${leak.action}]`,
      ...leak.rows.slice(0, LEAK_ROWS_SHOWN).map(({ row, side, values }) => `  row ${row} (${side}): ${JSON.stringify(values)}`),
    ]),
    ...notes.map(({ column, note }) => `note: ${column === '' ? '' : `${column}: `}${note}`),
  ];
  return lines.join('\n');
}

function gatesTable({ gates }: LaunchResult): string {
  const rows = gates.map((gate) => [gate.passed ? '✓' : '✗', gate.name, shown(gate.value), shown(gate.threshold)]);
  return [table(rows, ['', 'gate', 'value', 'needs']), ...failedGates(gates)].join('\n');
}

function failedGates(gates: LaunchResult['gates']): string[] {
  return gates.filter((gate) => !gate.passed).map((gate) => `✗ ${gate.name}: ${gate.message ?? 'not met'}`);
}

/** What stood in the way of a release, and what to do about it. */
export function gateAdvice({ gates }: LaunchResult): string {
  return [...failedGates(gates), NOT_RELEASED].join('\n');
}

const NOT_RELEASED =
  'Not released: a gate failed. Mend what the gate says, or release it all the same with --force (recorded with your name).';

function shown(value: unknown): string {
  if (typeof value === 'number') return short(value);
  return value === null || value === undefined ? '-' : typeof value === 'string' ? value : JSON.stringify(value);
}

function ending(result: LaunchResult): string {
  if (!result.release) return NOT_RELEASED;
  const { name, revision, url, rollout } = result.release;
  return [
    `${rollout === null ? 'live' : `in a rollout (see it with: slipway rollout ${name})`}: ${name}, revision ${revision}${result.forced ? ' (a failed gate was overridden)' : ''}`,
    curlFor(url, result.example),
  ].join('\n');
}

/** A command that works as it stands, given the key in SLIPWAY_KEY. */
export function curlFor(url: string, example: Readonly<Record<string, unknown>>): string {
  const body = JSON.stringify({ rows: [example] }).replaceAll("'", "'\\''");
  return `curl -s ${url} -H "authorization: Bearer $SLIPWAY_KEY" -H 'content-type: application/json' \\\n  -d '${body}'`;
}
