/** One panel of the dashboard, before Grafana's own fields are added. */
interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly queries: readonly (readonly [query: string, legend: string])[];
}

const OWN = 'project=~"$project", release=~"$release"';

const PANELS: readonly Panel[] = [
  {
    title: 'Calls per second',
    unit: 'reqps',
    queries: [[`sum by (release, status) (rate(slipway_invocations_total{${OWN}}[$__rate_interval]))`, '{{release}} {{status}}']],
  },
  {
    title: 'Share of failed calls',
    unit: 'percentunit',
    queries: [
      [
        `sum by (release) (rate(slipway_invocations_total{${OWN}, status="error"}[$__rate_interval])) / sum by (release) (rate(slipway_invocations_total{${OWN}}[$__rate_interval]))`,
        '{{release}}',
      ],
    ],
  },
  {
    title: 'Latency',
    unit: 's',
    queries: ['0.5', '0.95', '0.99'].map(
      (q) =>
        [
          `histogram_quantile(${q}, sum by (release, le) (rate(slipway_invocation_latency_seconds_bucket{${OWN}}[$__rate_interval])))`,
          `{{release}} p${Number(q) * 100}`,
        ] as const,
    ),
  },
  {
    title: 'Refused calls per second',
    unit: 'reqps',
    // Calls that the event loop refused are refused before anybody knows whose they are.
    queries: [
      [
        'sum by (release, reason) (rate(slipway_calls_shed_total{project=~"$project|", release=~"$release|"}[$__rate_interval]))',
        '{{release}} {{reason}}',
      ],
    ],
  },
  {
    title: 'Rows that wait for a model, and calls in it',
    unit: 'none',
    queries: [
      [`sum by (release) (slipway_model_queue_rows{${OWN}})`, '{{release}} rows waiting'],
      [`sum by (release) (slipway_model_calls{${OWN}})`, '{{release}} calls'],
    ],
  },
  {
    title: 'Rows of a run, by lane',
    unit: 'none',
    queries: [
      [
        'sum by (lane) (rate(slipway_model_batch_rows_sum[$__rate_interval])) / sum by (lane) (rate(slipway_model_batch_rows_count[$__rate_interval]))',
        '{{lane}}',
      ],
    ],
  },
  {
    title: 'Memory of loaded models',
    unit: 'bytes',
    queries: [
      [`sum by (release) (slipway_model_memory_bytes{${OWN}})`, '{{release}}'],
      ['max(slipway_model_memory_limit_bytes)', 'limit'],
    ],
  },
  {
    title: 'Models loaded, and taken out of memory',
    unit: 'none',
    queries: [
      ['sum(slipway_models_loaded{project=~"$project"})', 'in memory'],
      ['sum(increase(slipway_model_loads_total{project=~"$project"}[$__rate_interval]))', 'loads'],
      ['sum by (reason) (increase(slipway_model_unloads_total{project=~"$project"}[$__rate_interval]))', 'unloads: {{reason}}'],
    ],
  },
  {
    title: 'Burn rate of objectives',
    unit: 'none',
    queries: [[`max by (release, objective, window) (slipway_objective_burn_rate_ratio{${OWN}})`, '{{release}} {{objective}} {{window}}']],
  },
  {
    title: 'Alerts that are not resolved',
    unit: 'none',
    queries: [[`max by (release, severity) (slipway_alerts{${OWN}})`, '{{release}} {{severity}}']],
  },
  {
    title: 'Fields that have drifted',
    unit: 'none',
    queries: [[`max by (release) (slipway_monitor_drifted_fields{${OWN}})`, '{{release}}']],
  },
  {
    title: 'Quality, measured and estimated',
    unit: 'none',
    queries: [[`max by (release, metric, source) (slipway_monitor_quality{${OWN}})`, '{{release}} {{metric}} {{source}}']],
  },
  {
    title: 'Outcomes per second',
    unit: 'ops',
    queries: [['sum by (result) (rate(slipway_outcomes_total{project=~"$project"}[$__rate_interval]))', '{{result}}']],
  },
  {
    title: 'Event-loop delay',
    unit: 's',
    queries: [['max by (percentile) (slipway_event_loop_delay_seconds)', 'p{{percentile}}']],
  },
  {
    title: 'Memory and processor',
    unit: 'bytes',
    queries: [
      ['process_resident_memory_bytes', 'resident'],
      ['slipway_heap_used_bytes', 'heap'],
    ],
  },
  {
    title: 'Lines that are not stored yet',
    unit: 'bytes',
    queries: [['slipway_telemetry_pending_bytes', 'pending']],
  },
  { title: 'Free bytes of the home', unit: 'bytes', queries: [['slipway_home_free_bytes', '{{instance}}']] },
  {
    title: 'Resources (0 ok, 1 warning, 2 alert)',
    unit: 'none',
    queries: [['max by (instance, resource) (slipway_resource_verdict)', '{{instance}} {{resource}}']],
  },
  {
    title: 'Deliveries of alerts',
    unit: 'none',
    queries: [['sum by (result) (increase(slipway_alert_deliveries_total{project=~"$project"}[1h]))', '{{result}}']],
  },
];

const COLUMNS = 3;
const WIDTH = 24 / COLUMNS;
const HEIGHT = 8;
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

/** A Grafana dashboard over what `/metrics` shows; import it and choose the Prometheus that scrapes Slipway. */
export const GRAFANA_DASHBOARD = {
  uid: 'slipway-releases',
  title: 'Slipway: releases',
  tags: ['slipway'],
  schemaVersion: 39,
  timezone: 'utc',
  refresh: '30s',
  time: { from: 'now-6h', to: 'now' },
  templating: {
    list: [
      { name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Prometheus' },
      variable('project', 'label_values(slipway_invocations_total, project)'),
      variable('release', 'label_values(slipway_invocations_total{project=~"$project"}, release)'),
    ],
  },
  panels: PANELS.map((panel, index) => ({
    id: index + 1,
    type: 'timeseries',
    title: panel.title,
    datasource: DATASOURCE,
    gridPos: { x: (index % COLUMNS) * WIDTH, y: Math.floor(index / COLUMNS) * HEIGHT, w: WIDTH, h: HEIGHT },
    fieldConfig: { defaults: { unit: panel.unit, min: 0 }, overrides: [] },
    targets: panel.queries.map(([expr, legendFormat], at) => ({
      refId: String.fromCharCode(65 + at),
      datasource: DATASOURCE,
      expr,
      legendFormat,
    })),
  })),
} as const;

function variable(name: string, query: string) {
  return {
    name,
    type: 'query',
    datasource: DATASOURCE,
    query,
    includeAll: true,
    multi: true,
    refresh: 2,
    current: { text: 'All', value: '$__all' },
  };
}
