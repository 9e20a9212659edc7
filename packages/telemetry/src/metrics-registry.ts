import { METRIC_SERIES_LIMIT } from './limits.ts';

export type MetricLabels = Readonly<Record<string, string>>;

/** A number that only grows. */
export interface Counter {
  add(amount?: number): void;
}
/** A number that is as it is now. */
export interface Gauge {
  set(value: number): void;
}
/** Counts of values by size. */
export interface Histogram {
  observe(value: number): void;
}

export interface MetricOptions {
  /** `slipway_invocations_total`: the unit or `_total` last. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

type MetricType = 'counter' | 'gauge' | 'histogram';

interface Series {
  readonly labels: MetricLabels;
  value: number;
  readonly counts: Float64Array;
  sum: number;
}

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly labelNames: readonly string[];
  /** Upper bounds, ascending, without infinity; only of histograms. */
  readonly bounds: readonly number[];
  readonly series: Map<string, Series>;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Bounds of durations in seconds, from 0.1 ms to 10 s. */
export const SECONDS_BOUNDS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/**
 * Counters, gauges and histograms of the process, rendered in Prometheus' text format 0.0.4. A metric has at most
 * {@link METRIC_SERIES_LIMIT} combinations of label values; further ones count under the value `other`, except for the
 * label `project`, which always tells whose number it is.
 */
export class MetricsRegistry {
  readonly #metrics = new Map<string, Metric>();
  readonly #collectors: (() => void)[] = [];

  counter(options: MetricOptions): (labels?: MetricLabels) => Counter {
    const metric = this.#register('counter', options, []);
    return (labels = {}) => {
      const series = seriesOf(metric, labels);
      return { add: (amount = 1) => void (series.value += amount) };
    };
  }

  gauge(options: MetricOptions): (labels?: MetricLabels) => Gauge {
    const metric = this.#register('gauge', options, []);
    return (labels = {}) => {
      const series = seriesOf(metric, labels);
      return { set: (value) => void (series.value = value) };
    };
  }

  /** @param options.bounds upper bounds, ascending; `+Inf` is added. */
  histogram(options: MetricOptions & { readonly bounds: readonly number[] }): (labels?: MetricLabels) => Histogram {
    const metric = this.#register('histogram', options, options.bounds);
    return (labels = {}) => {
      const series = seriesOf(metric, labels);
      return { observe: (value) => observe(metric, series, value) };
    };
  }

  /** Calls `collect` before each rendering, for gauges that are read rather than kept. */
  onRender(collect: () => void): void {
    this.#collectors.push(collect);
  }

  /**
   * The text a scraper reads. @param project leaves out series that carry another project's label; undefined shows all.
   */
  render(project?: string): string {
    for (const collect of this.#collectors) collect();
    const lines: string[] = [];
    for (const metric of this.#metrics.values()) {
      const series = [...metric.series.values()].filter(({ labels }) => isVisible(labels, project));
      if (series.length === 0) continue;
      lines.push(`# HELP ${metric.name} ${escapeHelp(metric.help)}`, `# TYPE ${metric.name} ${metric.type}`);
      for (const one of series) renderSeries(lines, metric, one);
    }
    return `${lines.join('\n')}\n`;
  }

  #register(type: MetricType, options: MetricOptions, bounds: readonly number[]): Metric {
    const { name, help, labels: labelNames = [] } = options;
    if (!NAME.test(name)) throw new RangeError(`"${name}" is no metric name`);
    for (const label of labelNames) {
      if (!LABEL_NAME.test(label) || label.startsWith('__') || label === 'le') throw new RangeError(`"${label}" is no label name`);
    }
    if (bounds.some((bound, index) => index > 0 && bound <= (bounds[index - 1] as number))) {
      throw new RangeError(`The bounds of ${name} must ascend`);
    }
    if (this.#metrics.has(name)) throw new RangeError(`The metric ${name} is registered already`);
    const metric: Metric = { name, help, type, labelNames, bounds, series: new Map() };
    this.#metrics.set(name, metric);
    return metric;
  }
}

/** Content type of what {@link MetricsRegistry.render} makes. */
export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

function isVisible(labels: MetricLabels, project: string | undefined): boolean {
  return project === undefined || labels['project'] === undefined || labels['project'] === project;
}

function seriesOf(metric: Metric, given: MetricLabels): Series {
  for (const name of Object.keys(given)) {
    if (!metric.labelNames.includes(name)) throw new RangeError(`The metric ${metric.name} has no label "${name}"`);
  }
  let labels = pick(metric, (name) => given[name] ?? '');
  let found = metric.series.get(keyOf(labels));
  if (found === undefined && metric.series.size >= METRIC_SERIES_LIMIT) {
    labels = pick(metric, (name) => (name === 'project' ? (given[name] ?? '') : 'other'));
    found = metric.series.get(keyOf(labels));
  }
  if (found) return found;
  const series: Series = { labels, value: 0, counts: new Float64Array(metric.bounds.length + 1), sum: 0 };
  metric.series.set(keyOf(labels), series);
  return series;
}

function pick(metric: Metric, valueOf: (name: string) => string): MetricLabels {
  return Object.fromEntries(metric.labelNames.map((name) => [name, valueOf(name)]));
}

function keyOf(labels: MetricLabels): string {
  return JSON.stringify(Object.values(labels));
}

function observe(metric: Metric, series: Series, value: number): void {
  if (Number.isNaN(value)) return;
  let slot = 0;
  while (slot < metric.bounds.length && value > (metric.bounds[slot] as number)) slot += 1;
  series.counts[slot] = (series.counts[slot] as number) + 1;
  series.sum += value;
}

function renderSeries(lines: string[], metric: Metric, series: Series): void {
  if (metric.type !== 'histogram') {
    lines.push(`${metric.name}${renderLabels(series.labels)} ${renderNumber(series.value)}`);
    return;
  }
  let cumulative = 0;
  series.counts.forEach((count, slot) => {
    cumulative += count;
    const bound = metric.bounds[slot] ?? Number.POSITIVE_INFINITY;
    lines.push(`${metric.name}_bucket${renderLabels({ ...series.labels, le: renderNumber(bound) })} ${cumulative}`);
  });
  lines.push(`${metric.name}_sum${renderLabels(series.labels)} ${renderNumber(series.sum)}`);
  lines.push(`${metric.name}_count${renderLabels(series.labels)} ${cumulative}`);
}

function renderLabels(labels: MetricLabels): string {
  const entries = Object.entries(labels);
  return entries.length === 0 ? '' : `{${entries.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(',')}}`;
}

function renderNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}

function escapeLabel(text: string): string {
  return text.toWellFormed().replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
