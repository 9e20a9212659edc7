import type { Client } from '@slipway/client';
import { short, table } from './output.ts';

type MonitorReport = Awaited<ReturnType<Client['releases']['monitor']>>;
type Alert = Awaited<ReturnType<Client['alerts']['list']>>['items'][number];

const MARKS = { ok: 'ok', warn: 'warn', drift: 'DRIFT', 'not-enough-data': '-' } as const;

/** A monitor's report for people: only the parts that were asked for. */
export function showMonitor(report: MonitorReport, sections?: readonly string[]): string {
  return [
    `${report.release} revision ${report.revision}: ${report.invocations} calls, ${report.window.from} to ${report.window.to}`,
    ...showFields(report),
    ...report.contract.map(
      (each) =>
        `contract [${MARKS[each.verdict]}] ${each.field}: ${each.rule} expected ${each.expected}, got ${each.got} in ${percent(each.ratio)}`,
    ),
    ...report.objectives.map(
      (each) => `objective [${MARKS[each.verdict]}] ${each.name}: ${each.reason}${each.cause === null ? '' : ` (${each.cause})`}`,
    ),
    ...(sections === undefined || sections.includes('quality') ? showQuality(report) : []),
    ...report.fairness.flatMap(showFairness),
    ...showEstimate(report),
    ...(report.multivariate
      ? [
          `all columns together [${MARKS[report.multivariate.verdict]}] ${report.multivariate.reason}`,
          ...report.multivariate.columns.map((each) => `  ${each.column}: ${short(each.importance)}`),
        ]
      : []),
  ].join('\n');
}

function showFields(report: MonitorReport): string[] {
  if (report.fields.length === 0) return report.reference === null ? ['no reference: the version came without training data'] : [];
  const rows = report.fields.map((each) => [
    MARKS[each.verdict],
    each.field,
    short(each.psi),
    short(each.kind === 'number' ? each.wasserstein : each.jsDistance),
    `${short(each.missingReference)} → ${short(each.missingCurrent)}`,
    each.cause ?? '',
  ]);
  const { dataset } = report;
  return [
    table(rows, ['verdict', 'field', 'PSI', 'distance', 'missing', 'likely cause']),
    `data as a whole [${MARKS[dataset.verdict]}]: ${dataset.drifted} of ${dataset.fields} input fields have drifted (${percent(dataset.threshold)} is drift)`,
  ];
}

function showQuality(report: MonitorReport): string[] {
  const { quality, concept } = report;
  if (!quality) return ['quality: no outcomes in this window yet (POST /v1/outcomes)'];
  const metrics = Object.entries(quality.metrics).map(([metric, value]) => `${metric} ${short(value)}`);
  return [
    `quality over ${quality.count} outcomes: ${metrics.join(', ')}`,
    ...(concept ? [`error along time [${MARKS[concept.verdict]}]: ${concept.reason}`] : []),
  ];
}

function showFairness(each: MonitorReport['fairness'][number]): string[] {
  const rows = each.groups.map((group) => [
    group.group,
    group.count,
    `${percent(group.selection.value)} (${percent(group.selection.low)} to ${percent(group.selection.high)})`,
    short(group.truePositiveRate),
    short(group.accuracy),
  ]);
  return [
    `decisions by ${each.column} [${MARKS[each.verdict]}]: ${each.reason}`,
    table(rows, [each.column, 'calls', `gets ${each.favourable}`, 'true positives', 'accuracy']),
  ];
}

function showEstimate({ estimate, quality }: MonitorReport): string[] {
  if (!estimate) return [];
  if (estimate.reason !== null) return [`quality without labels: ${estimate.reason}`];
  const metrics = Object.entries(estimate.metrics)
    .filter(([, each]) => each.value !== null)
    .map(([metric, each]) => `${metric} ${short(each.value)} (${short(each.low)} to ${short(each.high)})`);
  return [`quality without labels, over ${estimate.count} calls${quality ? ' (for comparison)' : ''}: ${metrics.join(', ')}`];
}

function percent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(3))} %`;
}

/** Alerts as a list, each with what to type next. */
export function showAlerts(alerts: readonly Alert[]): string {
  if (alerts.length === 0) return 'no alerts';
  return alerts
    .map((alert) =>
      [
        `${alert.id} [${alert.severity}, ${alert.status}] ${alert.release}: ${alert.message}`,
        ...(alert.cause === null ? [] : [`  likely cause: ${alert.cause}`]),
        `  seen ${alert.count} times, last ${alert.lastSeen}${alert.acknowledgedBy === null ? '' : `; acknowledged by ${alert.acknowledgedBy}`}`,
        ...(alert.response === null ? [] : [`  ${alert.response.message}`]),
        `  look closer: ${alert.command}`,
      ].join('\n'),
    )
    .join('\n');
}
