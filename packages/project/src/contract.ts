import { Contract, FieldRole, Name, RecordingPolicy, ServingSettings } from '@slipway/kernel';
import {
  DecisionRule,
  GateDefinition,
  LeakRow,
  Objective,
  ObjectiveResult,
  RulesSection,
  UnsupervisedSection,
} from '@slipway/evaluation/contract';
import { MonitorSettings } from '@slipway/monitoring/contract';
import { RolloutOptions } from '@slipway/releases/rollout-contract';
import { z } from 'zod';
import { ForecastDefinition, LaunchForecast } from './forecast/contract.ts';
import { InteractionsDefinition, LossDefinition, MonotoneDefinition } from './learning-definition.ts';
import { ReadOptions } from './read-options.ts';
import { RetrainPolicy, RetrainingOrigin } from './retrain/contract.ts';
import { UnsupervisedDefinition } from './unsupervised/contract.ts';

export { FORECAST_HORIZON_MAX, FORECAST_LEVELS, FORECAST_SEASON_MAX, ForecastDefinition, LaunchForecast } from './forecast/contract.ts';
export { InteractionsDefinition, LossDefinition, MonotoneDefinition } from './learning-definition.ts';
export {
  type AttemptFacts,
  RetrainAttempt,
  RetrainData,
  RetrainPolicy,
  RetrainPolicyBody,
  RetrainRequest,
  RetrainStarted,
  RetrainTrigger,
  Retraining,
} from './retrain/contract.ts';
export { ReadOptions } from './read-options.ts';
export { CLUSTERS_MAX, COMPONENTS_MAX, UnsupervisedDefinition } from './unsupervised/contract.ts';

export { BatchFormat, BatchRequest, BatchResult, BatchStarted } from './batch/contract.ts';
export { ModelLaunchDefinition, ModelLaunchRequest, ModelLaunchResult } from './imported/contract.ts';

export { GateDefinition };

const columnName = z.string().min(1).max(256);
const columnList = z.array(columnName).max(2_000);

/** How long the search may take when nothing is said, and the most it may be told. */
export const TRAIN_SECONDS_DEFAULT = 30;
export const TRAIN_SECONDS_MAX = 24 * 3600;
export const TEST_RATIO_DEFAULT = 0.2;

/** Bytes already uploaded, and the name they came under. */
export const UploadedFile = z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), fileName: z.string().min(1).max(512) });
export type UploadedFile = z.infer<typeof UploadedFile>;

/** A reviewed decision table: `params` are its rules, the first that holds decides, and what else decides. */
export const RulesDefinition = z.strictObject({ kind: z.literal('rules'), params: z.record(z.string(), z.unknown()) });
export type RulesDefinition = z.infer<typeof RulesDefinition>;

/** Which trainer, and how much of it is left to the search. */
export const TrainerDefinition = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('auto'), seconds: z.number().positive().max(TRAIN_SECONDS_MAX).default(TRAIN_SECONDS_DEFAULT) }),
  z.strictObject({ kind: z.literal('gbdt'), params: z.record(z.string(), z.unknown()) }),
  z.strictObject({ kind: z.literal('linear'), params: z.record(z.string(), z.unknown()) }),
  /** Several trainers whose margins are averaged: `params.members`. */
  z.strictObject({ kind: z.literal('ensemble'), params: z.record(z.string(), z.unknown()) }),
  RulesDefinition,
]);
export type TrainerDefinition = z.infer<typeof TrainerDefinition>;

/** Tasks that a definition may ask for. */
export const LaunchTask = z.enum(['binary', 'multiclass', 'regression', 'ranking']);
export type LaunchTask = z.infer<typeof LaunchTask>;

export const SplitDefinition = z.strictObject({
  strategy: z.enum(['auto', 'stratified', 'random', 'group', 'time']).default('auto'),
  testRatio: z.number().gt(0).lt(1).default(TEST_RATIO_DEFAULT),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31)
    .default(1),
});

/**
 * `reweighing` teaches with weights that make group and label independent; `thresholds` decides each group by a threshold
 * of its own, so that equal shares of the groups are selected, or (`thresholds:equal_opportunity`) of their positives.
 */
export const MitigationMethod = z.enum(['reweighing', 'thresholds', 'thresholds:equal_opportunity']);
export type MitigationMethod = z.infer<typeof MitigationMethod>;

/** Everything that decides what a table launch makes. Plain JSON: the CLI, the API and `slipway.config.ts` all come down to it. */
const LaunchFields = z.strictObject({
  /** Name of the model; also of its release, unless that has one of its own. */
  name: Name,
  release: Name.optional(),
  dataset: Name,
  read: ReadOptions.default({}),
  /** A saved contract: the data is read as its types, checked against it, and takes its roles. */
  contract: Contract.optional(),
  /** The column to predict; empty for a launch without a target. */
  target: z.string().max(256).default(''),
  /** Label of the positive class of a binary target. */
  positive: z.string().max(256).optional(),
  exclude: columnList.default([]),
  /** Roles that override what the profile says. */
  as: z.record(columnName, FieldRole).default({}),
  time: columnName.optional(),
  group: columnName.optional(),
  sensitive: columnList.default([]),
  /** What is done about disparities between the groups of the sensitive columns; when left out, they are only measured. */
  mitigate: MitigationMethod.optional(),
  /** Columns that no counterfactual changes; the sensitive ones never are. */
  immutable: columnList.default([]),
  /** The column that says whose data a row is. */
  subject: columnName.optional(),
  /** What kind of answer the target is; found by looking at it when left out. */
  task: LaunchTask.optional(),
  /** Ranking: the column whose equal values make rows compete. */
  query: columnName.optional(),
  /** What training makes small. */
  loss: LossDefinition.optional(),
  /** Columns with which the prediction may only rise, or only fall. */
  monotone: MonotoneDefinition.optional(),
  /** Lists of columns that may meet on one branch of a tree. */
  interactions: InteractionsDefinition.optional(),
  /** The business question: what decisions or errors cost. Chooses the threshold, and is a gate. */
  objective: Objective.optional(),
  /** Makes the launch a forecast of the target along `time`. */
  forecast: ForecastDefinition.optional(),
  /** Makes the launch one without a target: groups of rows, fewer columns, or anomalies. */
  unsupervised: UnsupervisedDefinition.optional(),
  /** Rules that the model must be worth more than; the report compares them on the same rows. */
  baseline: RulesDefinition.optional(),
  train: TrainerDefinition.default({ kind: 'auto', seconds: TRAIN_SECONDS_DEFAULT }),
  /** Seed of the training; when left out, the number the version will have. */
  seed: z
    .int()
    .min(0)
    .max(2 ** 31)
    .optional(),
  split: SplitDefinition.prefault({}),
  gates: z.array(GateDefinition).max(100).optional(),
  /** Gates beside the others: the default ones of the task, or `gates`. */
  moreGates: z.array(GateDefinition).max(100).optional(),
  acceptLeak: columnList.default([]),
  recording: RecordingPolicy.default('full'),
  environment: z.string().min(1).max(64).default('production'),
  /** How the new revision takes over from a live one; at once when left out. */
  rollout: RolloutOptions.optional(),
  /** How the release runs the model; what is left out is chosen by measuring. */
  serving: ServingSettings.optional(),
  /** When the release trains its model again by itself. Belongs to the release: it may be changed without a launch. */
  retrain: RetrainPolicy.optional(),
  /** What the release is watched for. Belongs to the release, too; when left out, what was set before stays. */
  monitor: MonitorSettings.optional(),
});

/** Either a column to predict, or a launch without a target. */
export const LaunchDefinition = LaunchFields.refine(({ target, unsupervised }) => target !== '' || unsupervised !== undefined, {
  path: ['target'],
  error: 'is needed: the column to predict; groups and anomalies are looked for without one (task cluster, reduce or anomaly)',
}).refine(
  ({ retrain, forecast, unsupervised, query, recording }) =>
    retrain === undefined || (forecast === undefined && unsupervised === undefined && query === undefined && recording === 'full'),
  { path: ['retrain'], error: 'needs labels of single recorded calls: a class or a number as target, and the recording policy full' },
);
export type LaunchDefinition = z.infer<typeof LaunchDefinition>;

/** Where a launch comes from: the state of the repository it was started in. */
export const LaunchOrigin = z.strictObject({
  commit: z
    .string()
    .regex(/^[0-9a-f]{40,64}$/)
    .optional(),
  dirty: z.boolean().optional(),
  /** SHA-256 of the lock file. */
  lockFile: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});
export type LaunchOrigin = z.infer<typeof LaunchOrigin>;

export const LaunchRequest = z.strictObject({
  definition: LaunchDefinition,
  data: UploadedFile,
  test: UploadedFile.optional(),
  origin: LaunchOrigin.optional(),
  /** Go live although a gate failed; audited with who did it. */
  force: z.boolean().default(false),
  /** Set by a retraining. */
  retraining: RetrainingOrigin.optional(),
  /** `always` trains and makes a revision; `when-changed` reuses a version whose recipe exists. */
  mode: z.enum(['always', 'when-changed']).default('always'),
});
export type LaunchRequest = z.infer<typeof LaunchRequest>;

export const LaunchStarted = z.object({ run: z.string() });

const interval = z.object({ value: z.number().nullable(), low: z.number().nullable(), high: z.number().nullable() });

export const LaunchSlice = z.object({
  label: z.string(),
  rows: z.int(),
  metric: z.string(),
  value: z.number().nullable(),
  low: z.number().nullable(),
  high: z.number().nullable(),
  /** The metric on all other rows, and how many times their mean loss the slice has. */
  rest: z.number().nullable(),
  lift: z.number().nullable(),
});

/** The disparities of each sensitive column and intersection, and what lessening them costs. */
export const LaunchFairness = z.object({
  disparities: z.array(z.object({ columns: z.array(z.string()), measure: z.string() }).extend(interval.shape)),
  mitigations: z.array(
    z.object({
      method: z.string(),
      criterion: z.string(),
      columns: z.array(z.string()),
      applied: z.boolean(),
      before: z.number().nullable(),
      after: z.number().nullable(),
      /** Accuracy lost. */
      price: interval,
    }),
  ),
  warnings: z.array(z.string()),
});

export const LaunchRobustness = z.object({
  tests: z.array(
    z.object({ test: z.string(), field: z.string().nullable(), worst: z.number().nullable(), tolerance: z.number(), passed: z.boolean() }),
  ),
  warnings: z.array(z.string()),
});

/** What the model is worth in the objective's unit, per 1,000 rows. */
export const LaunchObjective = ObjectiveResult.pick({
  kpi: true,
  per: true,
  model: true,
  alternatives: true,
  constraint: true,
  selectionRate: true,
  verdict: true,
  notes: true,
});

/** Against the version that was live, by the primary metric; above zero is better. */
export const LaunchComparison = z.object({
  champion: z.object({ version: z.string(), release: z.string(), revision: z.int() }),
  overlap: z.string(),
  metric: z.string(),
  improvement: interval,
  deLongPValue: z.number().nullable(),
  mcNemarPValue: z.number().nullable(),
  changed: z.number(),
  verdict: z.string(),
});

/** What a launch prints and its run returns. */
export const LaunchResult = z.object({
  release: z
    .object({
      name: z.string(),
      url: z.string(),
      revision: z.int(),
      /** The run of the rollout by which the revision takes over; null when it took all traffic at once. */
      rollout: z.string().nullable().default(null),
    })
    .nullable(),
  version: z.string(),
  recipe: z.string(),
  created: z.boolean(),
  task: z.enum([...LaunchTask.options, 'forecast', 'cluster', 'reduce', 'anomaly']),
  trainer: z.string(),
  dataset: z.string(),
  rows: z.object({ train: z.int(), test: z.int() }),
  split: z.object({ strategy: z.string(), seed: z.int() }),
  seed: z.int(),
  leakage: z.array(
    z.object({
      column: z.string(),
      kind: z.string(),
      reason: z.string(),
      action: z.string(),
      /** The target as a formula of columns, where it is one. */
      equation: z.string().nullable().default(null),
      /** A few rows that show it. */
      rows: z.array(LeakRow).default([]),
    }),
  ),
  notes: z.array(z.object({ column: z.string(), note: z.string() })),
  baseline: z.record(z.string(), z.number().nullable()),
  metrics: z.record(z.string(), interval),
  gates: z.array(
    z.object({ name: z.string(), passed: z.boolean(), value: z.unknown(), threshold: z.unknown(), message: z.string().optional() }),
  ),
  forced: z.boolean(),
  parity: z.object({ maxError: z.number() }),
  /** What the model goes by: how much worse the primary metric gets when a column is shuffled; the ten that matter most. */
  importances: z.array(z.object({ column: z.string(), importance: z.number() })),
  decision: DecisionRule.nullable().default(null),
  objective: LaunchObjective.nullable().default(null),
  comparison: LaunchComparison.nullable().default(null),
  /** The decision table that was launched, or that the model was compared with. */
  rules: RulesSection.nullable().default(null),
  /** Rows that the model does significantly worse on, the worst first. */
  slices: z.array(LaunchSlice).default([]),
  fairness: LaunchFairness.nullable().default(null),
  robustness: LaunchRobustness.nullable().default(null),
  forecast: LaunchForecast.nullable().default(null),
  unsupervised: UnsupervisedSection.nullable().default(null),
  report: z.string(),
  example: z.record(z.string(), z.unknown()),
  run: z.string(),
  seconds: z.object({ total: z.number() }).catchall(z.number()),
});
export type LaunchResult = z.infer<typeof LaunchResult>;

/** The definition with everything the search chose written out: applying it makes nothing new. */
export const ResolvedLaunch = z.object({
  run: z.string(),
  definition: LaunchDefinition,
  data: UploadedFile,
  test: UploadedFile.nullable(),
});
export type ResolvedLaunch = z.infer<typeof ResolvedLaunch>;
