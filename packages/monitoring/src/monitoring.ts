import type { Audit } from '@slipway/audit';
import type { SecretBox } from '@slipway/identity';
import type { Clock, Ids, Principal, RandomBytes } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import type { MetricsRegistry } from '@slipway/telemetry';
import { type AlertDeps, type Alerts, createAlerts } from './alerts/alert-service.ts';
import { countCurrentAlerts } from './alerts/alert-store.ts';
import { checkRelease, checkReleases } from './check-releases.ts';
import { configureMonitor } from './configure-monitor.ts';
import type { MonitorReport, MonitorSettings, ResourceReport, Verdict } from './contract.ts';
import { MonitorSettings as Settings } from './contract.ts';
import { type Channels, createChannels } from './delivery/channels.ts';
import { type MonitorOptions, type MonitorPorts, monitor } from './monitor.ts';
import { RESOURCE_KINDS, type ResourceOptions, type ResourceWatch, watchResources } from './resources/watch-resources.ts';
import { requireKnown } from './require-known.ts';
import { findSettings } from './settings-store.ts';

export interface MonitoringDeps {
  readonly records: Records;
  readonly audit: Audit;
  readonly ids: Ids;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly secrets: SecretBox;
  readonly ports: MonitorPorts;
  readonly metrics: MetricsRegistry;
  readonly listReleases: (limit: number) => AsyncIterable<{ readonly project: string; readonly release: string }>;
  /** The process that is watched beside its releases; left out, it is not. */
  readonly resources?: ResourceOptions;
  /** Whose alerts those about the process are. */
  readonly operatorProject?: () => Promise<string | undefined>;
  /** Private hosts (`host` or `host:port`) that alerts may be sent to. */
  readonly outboundAllow?: readonly string[];
  readonly onProblem?: (error: Error) => void;
  /** See `AlertDeps.respond`. */
  readonly respond?: AlertDeps['respond'];
}

/** Monitors of releases: what they ask, what they found, and where that is told. Every method is of one project. */
export interface Monitoring {
  report(project: string, release: string, options?: MonitorOptions): Promise<MonitorReport>;
  /** Looks now, with everything the settings ask for, and settles the alerts. */
  check(project: string, release: string): Promise<{ report: MonitorReport; raised: number; resolved: number }>;
  settings(project: string, release: string): Promise<MonitorSettings>;
  configure(project: string, release: string, settings: MonitorSettings, principal: Principal): Promise<MonitorSettings>;
  readonly alerts: Alerts;
  readonly channels: Channels;
  /** What this process uses now. */
  resources(): Promise<ResourceReport>;
  /** What the background job does. */
  round(signal?: AbortSignal): Promise<void>;
}

const LEVEL: Readonly<Record<Verdict, number>> = { 'not-enough-data': -1, ok: 0, warn: 1, drift: 2 };

export function createMonitoring(deps: MonitoringDeps): Monitoring {
  const { records, audit, clock, ids, ports } = deps;
  const gauges = registerMetrics(deps.metrics);
  const channels = createChannels({
    records,
    audit,
    clock,
    ids,
    random: deps.random,
    secrets: deps.secrets,
    allowed: new Set(deps.outboundAllow ?? []),
    onAttempt: (project, result) => gauges.deliveries({ project, result }).add(),
  });
  const alerts = createAlerts({ records, audit, clock, ids, announce: channels.announce, respond: deps.respond });
  const watch = watchResources(deps.metrics, deps.resources ?? { directory: '.', replica: 0, backlogBytes: () => 0 });
  const onChecked = (project: string, report: MonitorReport) => showReport(gauges, project, report);
  const settingsOf = async (project: string, release: string) => (await findSettings(records.db, project, release)) ?? Settings.parse({});
  return {
    alerts,
    channels,
    async report(project, release, options = {}) {
      return monitor(ports, project, release, options, await settingsOf(project, release));
    },
    async check(project, release) {
      const settings = await settingsOf(project, release);
      const sections = ['drift', 'contract', 'objectives', 'quality', 'estimate', 'fairness'] as const;
      return checkRelease(
        { ports, alerts, onChecked },
        project,
        release,
        settings,
        settings.multivariate ? [...sections, 'multivariate'] : sections,
      );
    },
    async settings(project, release) {
      await ports.findRelease(project, release);
      return settingsOf(project, release);
    },
    async configure(project, release, settings, principal) {
      const found = await ports.findRelease(project, release);
      requireKnown(settings, found, await ports.loadContract(project, found.version));
      await records.transaction((tx) => configureMonitor({ audit, clock }, tx, { project, release, settings, principal: principal.id }));
      return settings;
    },
    async resources() {
      const resources = watch.states.length > 0 ? watch.states : await watch.look();
      return { replica: deps.resources?.replica ?? 0, resources: [...resources] };
    },
    async round(signal) {
      if (deps.resources) await settleResources(deps, watch, alerts);
      await checkReleases(
        { records, ports, alerts, onChecked, listReleases: deps.listReleases, ...(deps.onProblem ? { onProblem: deps.onProblem } : {}) },
        signal,
      );
      await channels.deliver(signal);
      await gauges.showAlerts(() => countCurrentAlerts(records.db));
    },
  };
}

/** Looks at the process and settles its alerts with the operator. */
async function settleResources({ operatorProject, clock }: MonitoringDeps, watch: ResourceWatch, alerts: Alerts): Promise<void> {
  await watch.look();
  const project = await operatorProject?.();
  if (project !== undefined) await alerts.settle(project, watch.subject, watch.findings(clock.nowMs()), RESOURCE_KINDS);
}

type Gauges = ReturnType<typeof registerMetrics>;

function registerMetrics(metrics: MetricsRegistry) {
  const labels = ['project', 'release'];
  const current = metrics.gauge({ name: 'slipway_alerts', help: 'Alerts that are not resolved.', labels: [...labels, 'severity'] });
  const shown = new Map<string, ReturnType<typeof current>>();
  return {
    drifted: metrics.gauge({ name: 'slipway_monitor_drifted_fields', help: 'Fields that have drifted, at the last check.', labels }),
    verdict: metrics.gauge({
      name: 'slipway_monitor_verdict',
      help: 'Verdict of the last check: -1 not enough data, 0 ok, 1 warning, 2 drift.',
      labels,
    }),
    quality: metrics.gauge({
      name: 'slipway_monitor_quality',
      help: 'Quality over outcomes (measured) or without them (estimated), at the last check.',
      labels: [...labels, 'metric', 'source'],
    }),
    burn: metrics.gauge({
      name: 'slipway_objective_burn_rate_ratio',
      help: 'How many times as fast as planned an objective spends its budget, at the last check.',
      labels: [...labels, 'objective', 'window'],
    }),
    deliveries: metrics.counter({
      name: 'slipway_alert_deliveries_total',
      help: 'Attempts to deliver alerts, by what became of them.',
      labels: ['project', 'result'],
    }),
    async showAlerts(count: () => Promise<{ project: string; release: string; severity: string; count: number }[]>): Promise<void> {
      const counts = await count();
      for (const gauge of shown.values()) gauge.set(0);
      for (const { count: value, ...series } of counts) {
        const key = JSON.stringify(series);
        let gauge = shown.get(key);
        if (!gauge) shown.set(key, (gauge = current(series)));
        gauge.set(value);
      }
    },
  };
}

function showReport(gauges: Gauges, project: string, report: MonitorReport): void {
  const series = { project, release: report.release };
  gauges.drifted(series).set(report.fields.filter((field) => field.verdict === 'drift').length);
  gauges.verdict(series).set(LEVEL[report.verdict]);
  for (const [metric, value] of Object.entries(report.quality?.metrics ?? {})) {
    if (value !== null) gauges.quality({ ...series, metric, source: 'measured' }).set(value);
  }
  for (const [metric, { value }] of Object.entries(report.estimate?.metrics ?? {})) {
    if (value !== null) gauges.quality({ ...series, metric, source: 'estimated' }).set(value);
  }
  for (const { name, windows } of report.objectives) {
    for (const { windowMs, burnRate } of windows)
      gauges.burn({ ...series, objective: name, window: `${windowMs / 60_000}m` }).set(burnRate);
  }
}
