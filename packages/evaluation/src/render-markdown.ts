import type { EvaluationReport, MetricName } from './contract.ts';
import { higherIsBetter, metricsOf } from './metric-table.ts';

/** Importances and confusion tables are cut to this many rows in the text; the JSON holds all. */
const MARKDOWN_ROW_LIMIT = 20;

/** The report as a page a person can read; says nothing that the JSON does not. */
export function renderMarkdown(report: EvaluationReport): string {
  const sections = [
    `# Evaluation of ${escape(report.target)}\n\n${summary(report)}`,
    metricsSection(report),
    gatesSection(report),
    leakageSection(report),
    importanceSection(report),
    confusionSection(report),
    report.notes.length > 0 ? `## Notes\n\n${report.notes.map((note) => `- ${escape(note)}`).join('\n')}` : '',
  ];
  return `${sections.filter(Boolean).join('\n\n')}\n`;
}

function summary(report: EvaluationReport): string {
  const positive = report.positive === null ? '' : ` (positive class: ${escape(report.positive)})`;
  const failed = report.gates.filter((gate) => !gate.passed);
  const verdict = failed.length === 0 ? 'All gates passed.' : `${failed.length} of ${report.gates.length} gates failed.`;
  return [
    `A ${report.task} model${positive}, trained on ${report.rows.train} rows and evaluated on ${report.rows.test} others.`,
    `Intervals: ${Math.round(report.level * 100)} %, ${report.resamples} bootstrap resamples, seed ${report.seed}. ${verdict}`,
  ].join('\n');
}

function metricsSection(report: EvaluationReport): string {
  const rows = metricsOf(report.task).map((metric) => metricRow(report, metric));
  return `## Metrics\n\n${table(['metric', 'value', 'interval', `baseline (${report.baseline.name})`, 'better is'], rows)}`;
}

function metricRow(report: EvaluationReport, metric: MetricName): string[] {
  const measured = report.metrics[metric];
  const name = metric === report.primary ? `**${metric}**` : metric;
  const interval = `${show(measured?.low)} to ${show(measured?.high)}`;
  return [name, show(measured?.value), interval, show(report.baseline.metrics[metric]), higherIsBetter(metric) ? 'higher' : 'lower'];
}

function gatesSection(report: EvaluationReport): string {
  if (report.gates.length === 0) return '';
  const rows = report.gates.map((gate) => [
    gate.name,
    gate.passed ? 'passed' : '**failed**',
    show(gate.value),
    show(gate.threshold),
    gate.message,
  ]);
  return `## Gates\n\n${table(['gate', 'result', 'value', 'threshold', 'finding'], rows)}\n\nFixed before the evaluation: \`${report.gatesHash}\``;
}

function leakageSection(report: EvaluationReport): string {
  if (report.leakage.length === 0) return '';
  const rows = report.leakage.map((leak) => {
    const action = report.acceptedLeaks.includes(leak.column) ? 'accepted' : leak.action;
    return [leak.column, leak.kind, action, leak.reason];
  });
  return `## Leakage\n\n${table(['column', 'kind', 'action', 'reason'], rows)}`;
}

function importanceSection(report: EvaluationReport): string {
  const { importances } = report;
  if (!importances || importances.fields.length === 0) return '';
  const rows = importances.fields.slice(0, MARKDOWN_ROW_LIMIT).map((field) => [field.field, show(field.importance), show(field.deviation)]);
  const more = importances.fields.length - rows.length;
  const basis = `Loss of ${importances.metric} when the column is shuffled, ${importances.rows} rows, ${importances.repeats} repeats.`;
  return `## Importance\n\n${basis}\n\n${table(['column', 'importance', 'deviation'], rows)}${more > 0 ? `\n\nand ${more} more columns.` : ''}`;
}

function confusionSection(report: EvaluationReport): string {
  const { confusion } = report;
  if (!confusion || confusion.classes.length > MARKDOWN_ROW_LIMIT) return '';
  const rows = confusion.cells.map((cells, code) => [confusion.classes[code] ?? '', ...cells.map(show)]);
  return `## Confusion\n\n${table(['truth \\ predicted', ...confusion.classes], rows)}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [line(head.map(escape)), line(head.map(() => '---')), ...rows.map((row) => line(row.map(cellText)))].join('\n');
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** Bold marks are ours; everything else in a cell may come from the data. */
function cellText(text: string): string {
  const bold = /^\*\*([a-z0-9_]+)\*\*$/.exec(text);
  return bold ? text : escape(text);
}

function escape(text: string): string {
  return text.replace(/[\r\n]+/g, ' ').replace(/[\\|<>*`[\]]/g, (mark) => `\\${mark}`);
}

function show(value: number | null | undefined): string {
  return value === null || value === undefined ? 'undefined' : String(Number(value.toPrecision(5)));
}
