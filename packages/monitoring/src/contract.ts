import { Name, PageQuery, nearestName, pageOf } from '@slipway/kernel';
import { BINARY_METRICS, MULTICLASS_METRICS, REGRESSION_METRICS } from '@slipway/statistics/metric-names';
import { z } from 'zod';
import { GROUP_COLUMNS_LIMIT, OBJECTIVES_LIMIT } from './limits.ts';

/** From the best to the worst; `not-enough-data` says nothing either way. */
export const Verdict = z.enum(['ok', 'warn', 'drift', 'not-enough-data']);
export type Verdict = z.infer<typeof Verdict>;

const ratio = z.number().min(0).max(1);

/** When a statistic counts as a warning or as drift, and from how many calls on. `warn` and `drift` are of the PSI. */
export const DriftThresholds = z.strictObject({
  warn: z.number().positive(),
  drift: z.number().positive(),
  /** Of the Wasserstein distance of numbers, in standard deviations of the reference. */
  wassersteinWarn: z.number().positive(),
  wassersteinDrift: z.number().positive(),
  /** Of the Jensen-Shannon distance of texts (the root of the divergence in bits). */
  jsDistanceWarn: z.number().positive(),
  jsDistanceDrift: z.number().positive(),
  /** Of the difference of the shares of missing values. */
  missingWarn: ratio,
  missingDrift: ratio,
  minimumCount: z.int().positive(),
  significance: ratio,
});
export type DriftThresholds = z.infer<typeof DriftThresholds>;

/** One field now against the reference. Ratios are shares of all rows. */
export const FieldDrift = z.object({
  field: z.string(),
  about: z.enum(['input', 'prediction']),
  kind: z.enum(['number', 'text']),
  verdict: Verdict,
  /** Why the verdict is what it is, in words. */
  reason: z.string(),
  /** The simplest story that fits what changed; null when there is none or nothing changed. */
  cause: z.string().nullable(),
  /** Population stability index; null without data. */
  psi: z.number().nullable(),
  /** Numbers: how far values moved on average, in standard deviations of the reference. */
  wasserstein: z.number().nullable(),
  /** Jensen-Shannon divergence in bits, 0..1, and its root, which is a distance. */
  jensenShannon: z.number().nullable(),
  jsDistance: z.number().nullable(),
  /** How probable such differences are when nothing changed: of this field alone, and corrected for the number of fields. */
  pValue: ratio.nullable(),
  adjustedPValue: ratio.nullable(),
  missingReference: ratio.nullable(),
  missingCurrent: ratio.nullable(),
  /** Values the reference never had; the text of rare ones is not shown. */
  newCategories: z.array(z.object({ value: z.string().nullable(), count: z.int() })),
  counts: z.object({ reference: z.int(), current: z.int() }),
  threshold: DriftThresholds,
  bins: z.array(z.object({ label: z.string(), reference: z.number(), current: z.number() })),
});
export type FieldDrift = z.infer<typeof FieldDrift>;

/** The inputs as a whole: how many of the fields that could be judged have drifted. */
export const DatasetDrift = z.object({
  verdict: Verdict,
  fields: z.int(),
  drifted: z.int(),
  share: ratio.nullable(),
  threshold: ratio,
});
export type DatasetDrift = z.infer<typeof DatasetDrift>;

const interval = z.object({ value: z.number(), low: z.number(), high: z.number() });

/** All columns together: whether a classifier tells calls of now from training rows. */
export const MultivariateDrift = z.object({
  verdict: Verdict,
  reason: z.string(),
  /** With its 99.9 % interval. */
  auc: interval.nullable(),
  counts: z.object({ reference: z.int(), current: z.int() }),
  /** What it goes by: how much of the AUC is lost when a column is shuffled. */
  columns: z.array(z.object({ column: z.string(), importance: z.number() })),
});
export type MultivariateDrift = z.infer<typeof MultivariateDrift>;

/** An expectation of the contract that live values break. */
export const ContractFinding = z.object({
  field: z.string(),
  rule: z.enum(['missing', 'minimum', 'maximum', 'allowed']),
  expected: z.string(),
  got: z.string(),
  /** Share of the calls that break it. */
  ratio,
  verdict: Verdict,
});
export type ContractFinding = z.infer<typeof ContractFinding>;

/** Metrics over predictions whose outcome is known. */
export const Quality = z.object({
  /** The outcome judged by. */
  outcome: z.string(),
  /** Pairs used. */
  count: z.int(),
  /** Pairs that could not be used: an outcome that is no class or number, a prediction without probabilities. */
  skipped: z.int(),
  /** True when there were more than the newest ones used. */
  truncated: z.boolean(),
  /** By metric; null where it is undefined, such as the ROC AUC of one class. */
  metrics: z.record(z.string(), z.number().nullable()),
});
export type Quality = z.infer<typeof Quality>;

/** Quality of the calls of one part of the window, whenever their outcomes came. */
export const QualityWindow = Quality.pick({ count: true, skipped: true, metrics: true }).extend({
  from: z.string(),
  to: z.string(),
  /** Median time from a call to its outcome. */
  delayMs: z.number().nullable(),
});
export type QualityWindow = z.infer<typeof QualityWindow>;

/** What quality probably is, without outcomes; a band says where a measured value would lie. */
export const QualityEstimate = z.object({
  method: z.enum(['confidence-based-estimation', 'direct-loss-estimation']),
  count: z.int(),
  metrics: z.record(z.string(), z.object({ value: z.number().nullable(), low: z.number().nullable(), high: z.number().nullable() })),
  /** Why there is none. */
  reason: z.string().nullable(),
});
export type QualityEstimate = z.infer<typeof QualityEstimate>;

/** Whether the error has changed along the time of the calls. */
export const ConceptDrift = z.object({
  verdict: Verdict,
  reason: z.string(),
  /** Since the last change. */
  error: z.object({ measure: z.string(), value: z.number(), count: z.int() }).nullable(),
  changes: z.array(z.object({ at: z.string(), before: z.number(), after: z.number() })),
});
export type ConceptDrift = z.infer<typeof ConceptDrift>;

/** Decisions by the groups of one column. */
export const Fairness = z.object({
  column: z.string(),
  /** The answer that people want. */
  favourable: z.string(),
  verdict: Verdict,
  reason: z.string(),
  /** Selection of the least selected group over that of the most selected one. */
  ratio: z.number().nullable(),
  groups: z.array(
    z.object({
      group: z.string(),
      count: z.int(),
      selection: interval,
      outcomes: z.int(),
      accuracy: ratio.nullable(),
      truePositiveRate: ratio.nullable(),
      falsePositiveRate: ratio.nullable(),
    }),
  ),
});
export type Fairness = z.infer<typeof Fairness>;

const objectiveName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'use lower-case letters, digits and hyphens');
const allowed = z.number().gt(0).lt(1);

/**
 * What calls should keep to. `errors`: at most this share fails. `latency`: at most this share takes longer than the
 * threshold (kept in steps of a fifth). `cost`: the money planned for a call, in millionths.
 */
export const Objective = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('errors'), name: objectiveName.default('errors'), atMost: allowed }),
  z.strictObject({
    kind: z.literal('latency'),
    name: objectiveName.default('latency'),
    thresholdMs: z.number().positive().max(600_000),
    atMost: allowed.default(0.01),
  }),
  z.strictObject({ kind: z.literal('cost'), name: objectiveName.default('cost'), microsPerCall: z.number().positive().max(1e12) }),
]);
export type Objective = z.infer<typeof Objective>;

/** How fast an objective's budget is spent, by window. */
export const ObjectiveState = z.object({
  name: z.string(),
  objective: Objective,
  verdict: Verdict,
  reason: z.string(),
  /** Why the budget burns, as far as recorded calls tell; null while it does not. */
  cause: z.string().nullable().default(null),
  windows: z.array(z.object({ windowMs: z.int(), calls: z.number(), bad: z.number(), burnRate: z.number() })),
});
export type ObjectiveState = z.infer<typeof ObjectiveState>;

/** The parts of a report. The first three read sketches only. */
export const MonitorSection = z.enum(['drift', 'contract', 'objectives', 'quality', 'fairness', 'estimate', 'multivariate']);
export type MonitorSection = z.infer<typeof MonitorSection>;

export const MonitorReport = z.object({
  release: z.string(),
  revision: z.int(),
  version: z.string(),
  window: z.object({ from: z.string(), to: z.string() }),
  /** Calls of the window, without those still pending. */
  invocations: z.int(),
  /** The worst of the fields. */
  verdict: Verdict,
  /** Null when the version came without a reference; then there are no fields either. */
  reference: z.object({ fields: z.int() }).nullable(),
  fields: z.array(FieldDrift),
  dataset: DatasetDrift,
  contract: z.array(ContractFinding).default([]),
  objectives: z.array(ObjectiveState).default([]),
  quality: Quality.nullable(),
  qualityWindows: z.array(QualityWindow).default([]),
  concept: ConceptDrift.nullable().default(null),
  fairness: z.array(Fairness).default([]),
  estimate: QualityEstimate.nullable().default(null),
  multivariate: MultivariateDrift.nullable().default(null),
});
export type MonitorReport = z.infer<typeof MonitorReport>;

const windowText = z.string().max(20);
const sectionList = z
  .string()
  .max(200)
  .transform((text) => text.split(',').map((each) => each.trim()))
  .pipe(z.array(MonitorSection).min(1));
const columnList = z
  .string()
  .max(1_000)
  .transform((text) => text.split(',').map((each) => each.trim()))
  .pipe(z.array(z.string().min(1).max(256)).max(GROUP_COLUMNS_LIMIT));

/** `window` is a length up to now such as 30m, 24h or 7d; `from` and `to` (RFC 3339 or milliseconds) say it exactly. */
export const MonitorQuery = z.object({
  window: windowText.optional(),
  from: z.string().max(40).optional(),
  to: z.string().max(40).optional(),
  revision: z.coerce.number().int().positive().optional(),
  outcome: z.string().min(1).max(256).optional(),
  /** Columns by whose values decisions are compared, separated by commas. */
  groups: columnList.optional(),
  /** Parts of the report, separated by commas; all but `multivariate` unless said otherwise. */
  sections: sectionList.optional(),
});
export type MonitorQuery = z.infer<typeof MonitorQuery>;

/** Metrics that outcomes are measured by, by what the version predicts. */
export const LIVE_METRICS: Readonly<Record<'binary' | 'multiclass' | 'regression', readonly string[]>> = {
  binary: BINARY_METRICS,
  multiclass: MULTICLASS_METRICS,
  regression: REGRESSION_METRICS,
};

/** Why a name is no metric of a task (or of any), in words; null when it is one. A wrong name would never raise an alert. */
export function metricProblem(name: string, task?: keyof typeof LIVE_METRICS): string | null {
  const known = task === undefined ? [...new Set(Object.values(LIVE_METRICS).flat())] : LIVE_METRICS[task];
  if (known.includes(name)) return null;
  const near = nearestName(name, known);
  const hint = near === undefined ? ` (${known.join(', ')})` : `; did you mean "${near}"?`;
  return `expected a metric${task === undefined ? '' : ` of a ${task} model`}${hint}`;
}

/** What a monitor of a release asks, and how often. Everything has a default: a release is watched without a word. */
export const MonitorSettings = z.strictObject({
  /** False: no checks by itself and no alerts. */
  enabled: z.boolean().default(true),
  window: windowText.default('24h'),
  everyMinutes: z.int().min(1).max(1_440).default(15),
  /** Thresholds of all fields, and of single ones. */
  thresholds: DriftThresholds.partial().default({}),
  fields: z.record(z.string(), DriftThresholds.partial()).default({}),
  /** Share of drifted input fields from which the data as a whole has drifted. */
  datasetRatio: ratio.default(0.3),
  /** Columns by whose values decisions are compared; left empty, the version's sensitive columns that hold groups. */
  groups: z.array(z.string().min(1).max(256)).max(GROUP_COLUMNS_LIMIT).default([]),
  /** The answer that people want; the positive class unless said otherwise. */
  favourable: z.string().max(256).optional(),
  outcome: z.string().min(1).max(256).default('label'),
  objectives: z.array(Objective).max(OBJECTIVES_LIMIT).default([]),
  /** Quality below (errors: above) which an alert is raised, by metric of the report. */
  quality: z
    .record(z.string(), z.strictObject({ atLeast: z.number().optional(), atMost: z.number().optional() }))
    .superRefine((bounds, context) => {
      for (const [name, { atLeast, atMost }] of Object.entries(bounds)) {
        const problem = metricProblem(name) ?? ((atLeast ?? atMost) === undefined ? 'expected a bound: atLeast or atMost' : null);
        if (problem !== null) context.addIssue({ code: 'custom', path: [name], message: problem });
      }
    })
    .default({}),
  multivariate: z.boolean().default(false),
});
export type MonitorSettings = z.infer<typeof MonitorSettings>;
export const MonitorSettingsReply = MonitorSettings.extend({ release: Name });

export const AlertStatus = z.enum(['open', 'acknowledged', 'resolved']);
export type AlertStatus = z.infer<typeof AlertStatus>;
export const AlertSeverity = z.enum(['warn', 'alert']);
export type AlertSeverity = z.infer<typeof AlertSeverity>;

/** What training again did about an alert, or how to start it: the run it names leads on. */
export const AlertResponse = z.object({ run: z.string().nullable(), status: z.string().nullable(), message: z.string() });
export type AlertResponse = z.infer<typeof AlertResponse>;

/** Something a monitor found. Findings that repeat are one alert until it is resolved. */
export const Alert = z.object({
  id: z.string(),
  release: z.string(),
  revision: z.int(),
  /** What kind of question found it: `drift`, `contract`, `objective` and so on. */
  kind: z.string(),
  /** The field, metric, group column or objective. */
  about: z.string(),
  severity: AlertSeverity,
  status: AlertStatus,
  /** What, how large, over which window. */
  message: z.string(),
  cause: z.string().nullable(),
  /** The command that shows more. */
  command: z.string(),
  window: z.object({ from: z.string(), to: z.string() }),
  /** Checks that found it. */
  count: z.int(),
  firstSeen: z.string(),
  lastSeen: z.string(),
  acknowledgedBy: z.string().nullable(),
  note: z.string().nullable(),
  resolvedAt: z.string().nullable(),
  /** Who resolved it; `system` when its cause was gone. */
  resolvedBy: z.string().nullable(),
  /** As it stands when it is read; null for what no training would mend. */
  response: AlertResponse.nullable().default(null),
});
export type Alert = z.infer<typeof Alert>;
export const AlertPage = pageOf(Alert);
export const AlertQuery = PageQuery.extend({ status: AlertStatus.optional(), release: z.string().optional() });
export const AlertNote = z.strictObject({ note: z.string().max(2_000).optional() });

const urlText = z.url({ protocol: /^https?$/ }).max(2_000);

/** Where alerts go. A webhook is signed (Standard Webhooks); Slack-compatible ones get `{text}`; SMTP sends mail. */
export const ChannelTarget = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('webhook'), url: urlText }),
  z.strictObject({ kind: z.literal('slack'), url: urlText }),
  z.strictObject({
    kind: z.literal('smtp'),
    host: z.string().min(1).max(253),
    port: z.int().min(1).max(65_535).default(587),
    /** `tls` from the first byte (the default on port 465), or `starttls`. */
    encryption: z.enum(['starttls', 'tls']).optional(),
    from: z.email().max(320),
    to: z.array(z.email().max(320)).min(1).max(20),
    username: z.string().max(320).optional(),
    password: z.string().max(1_000).optional(),
  }),
]);
export type ChannelTarget = z.infer<typeof ChannelTarget>;
export const ChannelBody = z.strictObject({ name: Name, target: ChannelTarget, minimumSeverity: AlertSeverity.default('warn') });
/** A channel as it is shown: of a secret address only the host. */
export const Channel = z.object({
  id: z.string(),
  name: z.string(),
  kind: z.string(),
  host: z.string(),
  minimumSeverity: AlertSeverity,
  createdAt: z.string(),
  /** Why it cannot be used, such as a secret whose key is not here. */
  problem: z.string().nullable().default(null),
  deliveries: z.object({ sent: z.int(), waiting: z.int(), failed: z.int(), lastError: z.string().nullable() }),
});
export type Channel = z.infer<typeof Channel>;
export const ChannelList = z.object({ items: z.array(Channel) });
/** The secret that webhooks are signed with is shown only now. */
export const CreatedChannel = Channel.extend({ secret: z.string().nullable() });
export const ChannelRemoved = z.object({ removed: z.boolean() });
export const DeliveryResult = z.object({ delivered: z.boolean(), error: z.string().nullable() });

/** What a check saw, and how many alerts it raised and resolved. */
export const MonitorCheck = z.object({ report: MonitorReport, raised: z.int(), resolved: z.int() });
export type MonitorCheck = z.infer<typeof MonitorCheck>;

/** What this server uses, and whether that is too much. */
export const ResourceReport = z.object({
  replica: z.int(),
  resources: z.array(
    z.object({
      resource: z.string(),
      verdict: z.enum(['ok', 'warn', 'alert']),
      value: z.number().nullable(),
      limit: z.object({ warn: z.number(), alert: z.number() }),
      message: z.string(),
    }),
  ),
});
export type ResourceReport = z.infer<typeof ResourceReport>;

export { ResourceLimits } from './resources/judge-resources.ts';
