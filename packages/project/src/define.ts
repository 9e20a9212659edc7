import type { Contract, FieldRole, RecordingPolicy, ServingSettings } from '@slipway/kernel';
import { InvalidError } from '@slipway/kernel';
import type { FairnessMeasure, GateDefinition, Objective, RobustnessTest } from '@slipway/evaluation/contract';
import { type Condition, type Literal, type RuleTable, parsePredicate, parseRules } from '@slipway/learning/rules';
import type { MonitorSettings } from '@slipway/monitoring/contract';
import type { RolloutOptions } from '@slipway/releases/rollout-contract';
import type { z } from 'zod';
import { type ForecastDefinition, LaunchDefinition, type ReadOptions, type RulesDefinition, type TrainerDefinition } from './contract.ts';
import type { FinishedModelDefinition, FinishedModelOptions } from './imported/define-model.ts';
import type { RetrainPolicy, RetrainTrigger } from './retrain/contract.ts';
import type { UnsupervisedDefinition } from './unsupervised/contract.ts';
import type { InteractionsDefinition, LossDefinition, MonotoneDefinition } from './learning-definition.ts';

/**
 * The public definition API: plain immutable descriptions, interpreted by `slipway apply`. Nothing here reads a file or
 * talks to a server, so a definition can be imported anywhere.
 */
export interface SourceDefinition {
  readonly type: 'source';
  readonly path: string;
  readonly read: ReadOptions;
}

type FormatOptions = Omit<ReadOptions, 'format'>;

/** A CSV file, path relative to the definition. Delimiter, encoding and header are found by looking unless given. */
export const csv = (path: string, options: FormatOptions = {}): SourceDefinition => ({
  type: 'source',
  path,
  read: { ...options, format: 'csv' },
});
/** A Parquet file. */
export const parquet = (path: string): SourceDefinition => ({ type: 'source', path, read: { format: 'parquet' } });
/** A JSON file with an array of objects. */
export const json = (path: string): SourceDefinition => ({ type: 'source', path, read: { format: 'json' } });
/** A file with one JSON object a line. */
export const ndjson = (path: string): SourceDefinition => ({ type: 'source', path, read: { format: 'ndjson' } });
/** A table file whose format is found by looking. */
export const file = (path: string, options: ReadOptions = {}): SourceDefinition => ({ type: 'source', path, read: options });

export interface DatasetOptions {
  readonly source: SourceDefinition;
  /** A saved contract that the data must meet. */
  readonly contract?: Contract;
  readonly exclude?: readonly string[];
  /** Roles that override what the profile says. */
  readonly as?: Readonly<Record<string, FieldRole>>;
  readonly time?: string;
  readonly group?: string;
  /** The column that says whose data a row is. */
  readonly subject?: string;
}

export interface DatasetDefinition extends DatasetOptions {
  readonly type: 'dataset';
  readonly name: string;
}

/** Named data with a contract; each ingestion of changed data makes a new immutable version. */
export const dataset = (name: string, options: DatasetOptions): DatasetDefinition => ({ type: 'dataset', name, ...options });

/** Tries trainers and parameters for so many seconds and keeps the best. */
export const auto = (options: { readonly seconds?: number } = {}): TrainerDefinition => ({ kind: 'auto', seconds: options.seconds ?? 30 });
/** Gradient-boosted trees with exactly these parameters. */
export const gbdt = (params: Readonly<Record<string, unknown>> = {}): TrainerDefinition => ({ kind: 'gbdt', params: { ...params } });
/** Logistic or linear regression with exactly these parameters. */
export const linear = (params: Readonly<Record<string, unknown>> = {}): TrainerDefinition => ({ kind: 'linear', params: { ...params } });

/** Several trainers as one, their margins averaged: `ensemble({ members: [{ trainer: 'gbdt', weight: 0.6, params: {} }, …] })`. */
export const ensemble = (params: Readonly<Record<string, unknown>>): TrainerDefinition => ({ kind: 'ensemble', params: { ...params } });

type Predicate<Row> = (row: Row) => unknown;

/** A rule as it is written: its condition as a table's cells, or as a predicate over the row. */
export interface WrittenRule<Row> {
  readonly when: Condition | Predicate<Row>;
  /** Label or number; without it what its training rows say. */
  readonly then?: Literal;
  /** Of `then`, instead of its share of the training rows. */
  readonly probability?: number;
  readonly name?: string;
}

/**
 * A decision table as trainer or as `baseline`: the first rule that holds decides, else `otherwise`.
 * `rules([{ when: { age: { atLeast: 60 }, plan: 'x' }, then: 'yes' }], { otherwise: 'no' })`, or with predicates:
 * `rules([{ when: (row) => row.age >= 60 && row.plan === 'x', then: 'yes' }])`. A predicate's source is read into the table;
 * it is never run. @throws {RuleError} naming a construct that no rule can hold.
 */
export function rules<Row = Readonly<Record<string, never>>>(
  table: readonly WrittenRule<Row>[] | RuleTable,
  options: { readonly otherwise?: Literal; readonly otherwiseProbability?: number } = {},
): RulesDefinition {
  const list = 'rules' in table ? table.rules : table;
  const written = list.map(({ when, ...rest }) => ({ ...rest, when: typeof when === 'function' ? parsePredicate(when.toString()) : when }));
  const { otherwise, otherwiseProbability } = { ...('rules' in table ? table : {}), ...options };
  return { kind: 'rules', params: { ...parseRules({ rules: written, otherwise, otherwiseProbability }) } };
}

/** A gate on a metric of the test rows: `metric('roc_auc').atLeast(0.8)`, `.atMost(…)`, `.betterThan('baseline')`. */
export function metric(name: string) {
  return {
    atLeast: (value: number): GateDefinition => ({ kind: 'metric', metric: name, atLeast: value }) as GateDefinition,
    atMost: (value: number): GateDefinition => ({ kind: 'metric', metric: name, atMost: value }) as GateDefinition,
    /** Shown to be better than a model without inputs, or than the rules of `baseline`. */
    betterThan: (reference: 'baseline' | 'rules'): GateDefinition =>
      ({ kind: reference === 'rules' ? 'betterThanRules' : 'betterThanBaseline', metric: name }) as GateDefinition,
  };
}

/**
 * A gate on a disparity between the groups of a sensitive column, or of an intersection (`sex+race`):
 * `fairness('gender').ratioAtLeast(0.8)` asks for selection rates (for numbers: mean predictions) within four fifths.
 */
export function fairness(column: string) {
  const gate = (measure: string, bound: object) => ({ kind: 'fairness', column, measure, ...bound }) as GateDefinition;
  return {
    ratioAtLeast: (atLeast: number): GateDefinition => gate('demographic_parity_ratio', { atLeast }),
    differenceAtMost: (atMost: number): GateDefinition => gate('demographic_parity_difference', { atMost }),
    /** Any measure of the report by name, for example `equalized_odds_difference` or `mae_ratio`. */
    measure: (name: FairnessMeasure) => ({
      atLeast: (atLeast: number): GateDefinition => gate(name, { atLeast }),
      atMost: (atMost: number): GateDefinition => gate(name, { atMost }),
    }),
  };
}

/** A gate on decisions that change unnoticed when rows are spoilt: `robustness()` by the default tolerances, `robustness('typo', 0.05)` by one's own. */
export function robustness(test?: RobustnessTest, atMost?: number): GateDefinition {
  return { kind: 'robustness', ...(test === undefined ? {} : { test }), ...(atMost === undefined ? {} : { atMost }) };
}

export interface ModelOptions {
  readonly from: DatasetDefinition;
  /** The column to predict; left out with `unsupervised`. */
  readonly target?: string;
  /** No target: groups of rows, fewer columns or anomalies: `{ task: 'cluster' }`. */
  readonly unsupervised?: UnsupervisedDefinition;
  readonly positive?: string;
  /** What kind of answer the target is; found by looking at it when left out. */
  readonly task?: LaunchDefinition['task'];
  /** Ranking: the column whose equal values make rows compete. */
  readonly query?: string;
  /** What training makes small: `{ kind: 'quantile', level: 0.9 }`, `{ kind: 'poisson' }`, … */
  readonly loss?: LossDefinition;
  /** Columns with which the prediction may only rise, or only fall: `{ age: 'increasing' }`. */
  readonly monotone?: MonotoneDefinition;
  /** Lists of columns that may meet on one branch of a tree. */
  readonly interactions?: InteractionsDefinition;
  /** Makes the model a forecaster of the target along the dataset's `time`: `{ series: 'shop', horizon: 14, known: ['holiday'] }`. */
  readonly forecast?: z.input<typeof ForecastDefinition>;
  /** Rows to judge by, instead of a split. */
  readonly test?: SourceDefinition;
  readonly train?: TrainerDefinition;
  /** Rules that the model must be worth more than: `baseline: rules([…])`. */
  readonly baseline?: RulesDefinition;
  readonly seed?: number;
  readonly split?: Partial<LaunchDefinition['split']>;
  readonly gates?: readonly GateDefinition[];
  /** Gates beside the default ones, or beside `gates`. */
  readonly moreGates?: readonly GateDefinition[];
  /** What decisions or errors cost: chooses the threshold, judges the model, and is a gate. */
  readonly objective?: z.input<typeof Objective>;
  readonly sensitive?: readonly string[];
  /** What is done about disparities between the groups of the sensitive columns. */
  readonly mitigate?: LaunchDefinition['mitigate'];
  /** Columns that no counterfactual changes, such as an age; the sensitive ones never are. */
  readonly immutable?: readonly string[];
  readonly acceptLeak?: readonly string[];
}

export interface LearnedModelDefinition extends ModelOptions {
  readonly type: 'model';
  readonly name: string;
}
export type ModelDefinition = LearnedModelDefinition | FinishedModelDefinition;

/** A model made elsewhere: `model('churn', { onnx: file('model.onnx'), reference: parquet('rows.parquet') })`. */
export function model(name: string, options: FinishedModelOptions): FinishedModelDefinition;
/** A predictive model learned from a dataset: `model('churn', { from, target })`. */
export function model(name: string, options: ModelOptions): LearnedModelDefinition;
export function model(name: string, options: ModelOptions | FinishedModelOptions): ModelDefinition {
  return { type: 'model', name, ...options };
}

type RolloutWishes = Omit<z.input<typeof RolloutOptions>, 'strategy'>;

/** A rollout by growing shares of the traffic, rolled back by itself when something is surely worse. */
export const canary = (options: RolloutWishes = {}): z.input<typeof RolloutOptions> => ({ strategy: 'canary', ...options });
/** A rollout decided by mirrored calls alone: both versions answer the same calls, the candidate's answers are seen by nobody. */
export const shadow = (options: RolloutWishes = {}): z.input<typeof RolloutOptions> => ({ strategy: 'shadow', ...options });
/** One fixed split of the traffic until a version is surely better. */
export const ab = (options: RolloutWishes = {}): z.input<typeof RolloutOptions> => ({ strategy: 'ab', ...options });

type Trigger<K extends RetrainTrigger['kind']> = Omit<Extract<z.input<typeof RetrainTrigger>, { kind: K }>, 'kind'>;

/**
 * When a release trains its model again on its labelled calls. A policy belongs to the release: `slipway retrain NAME --policy`
 * changes it without a launch. What a launch would make is proven against the live version on the latest calls, then rolled out.
 */
export const retrain = (policy: z.input<typeof RetrainPolicy>): z.input<typeof RetrainPolicy> => policy;
/** Starts a retraining when inputs, answers or the error have drifted, by the thresholds of the release's monitor. */
export const drift = (options: Trigger<'drift'> = {}) => ({ kind: 'drift' as const, ...options });
/** … when measured quality fell by `drop` (default 0.05) from what the live version was proven with, or beyond a bound. */
export const qualityDrop = (options: Trigger<'quality'> = {}) => ({ kind: 'quality' as const, ...options });
/** … at the times of a cron expression in UTC: `schedule('0 3 * * 1')`. */
export const schedule = (cron: string) => ({ kind: 'schedule' as const, cron });
/** … when so many labelled calls are new. */
export const newData = (options: Trigger<'new-data'>) => ({ kind: 'new-data' as const, ...options });

/**
 * What the monitor of a release asks, as `slipway monitor NAME --settings` takes it: `monitor({ groups: ['gender'], objectives:
 * [{ kind: 'errors', atMost: 0.001 }], quality: { roc_auc: { atLeast: 0.8 } } })`. What is left out has its default.
 */
export const monitor = (settings: z.input<typeof MonitorSettings>): z.input<typeof MonitorSettings> => settings;

export interface ReleaseOptions {
  readonly serve: ModelDefinition;
  readonly recording?: RecordingPolicy;
  readonly environment?: string;
  /** How a new revision takes over from a live one: `canary()`, `shadow()`, `ab()`; at once when left out. */
  readonly rollout?: z.input<typeof RolloutOptions>;
  /** How the model is run: `{ lanes: 2, threads: 2, maxBatchRows: 64 }`; what is left out is chosen by measuring. */
  readonly serving?: z.input<typeof ServingSettings>;
  /** When the model is trained again by itself, and on what: `retrain({ on: [drift(), newData({ rows: 2000 })] })`. */
  readonly retrain?: z.input<typeof RetrainPolicy>;
  /** What the release is watched for: `monitor({ … })`; everything by defaults when left out. */
  readonly monitor?: z.input<typeof MonitorSettings>;
}

export interface ReleaseDefinition extends ReleaseOptions {
  readonly type: 'release';
  readonly name: string;
}

/** A named production endpoint that serves a model. */
export const release = (name: string, options: ReleaseOptions): ReleaseDefinition => ({ type: 'release', name, ...options });

export type Definition = DatasetDefinition | ModelDefinition | ReleaseDefinition;

export interface ProjectDefinition {
  readonly type: 'project';
  readonly name: string;
  readonly definitions: readonly Definition[];
}

/** A project: the default export of `slipway.config.ts`. */
export const defineProject = (name: string, definitions: readonly Definition[]): ProjectDefinition => ({
  type: 'project',
  name,
  definitions,
});

export function isProjectDefinition(value: unknown): value is ProjectDefinition {
  return (
    value !== null &&
    typeof value === 'object' &&
    'type' in value &&
    value.type === 'project' &&
    'definitions' in value &&
    Array.isArray(value.definitions)
  );
}

/** One launch that a project asks for, with the paths of its files as written. */
export interface PlannedLaunch {
  readonly definition: LaunchDefinition;
  readonly dataPath: string;
  readonly testPath: string | undefined;
}

/** The launches of models that are learned, one a release; finished ones are `planModelLaunches`. @throws {InvalidError} naming the definition and field that is wrong. */
export function planLaunches(project: ProjectDefinition): PlannedLaunch[] {
  const releases = project.definitions.filter((each) => each.type === 'release');
  if (releases.length === 0)
    throw new InvalidError(`Project "${project.name}" has no release, so there is nothing to make.`, {
      help: "Add release('name', { serve: model }).",
    });
  return releases.flatMap((each): PlannedLaunch[] => {
    const { serve } = each;
    if ('onnx' in serve) return [];
    const { from } = serve;
    const parsed = LaunchDefinition.safeParse(
      withoutUndefined({
        name: serve.name,
        release: each.name === serve.name ? undefined : each.name,
        dataset: from.name,
        read: from.source.read,
        contract: from.contract,
        target: serve.target,
        positive: serve.positive,
        task: serve.task,
        query: serve.query,
        forecast: serve.forecast,
        unsupervised: serve.unsupervised,
        loss: serve.loss,
        monotone: serve.monotone,
        interactions: serve.interactions,
        exclude: from.exclude,
        as: from.as,
        time: from.time,
        group: from.group,
        subject: from.subject,
        objective: serve.objective,
        sensitive: serve.sensitive,
        mitigate: serve.mitigate,
        baseline: serve.baseline,
        train: serve.train,
        seed: serve.seed,
        split: serve.split,
        gates: serve.gates,
        moreGates: serve.moreGates,
        immutable: serve.immutable,
        acceptLeak: serve.acceptLeak,
        recording: each.recording,
        environment: each.environment,
        rollout: each.rollout,
        serving: each.serving,
        retrain: each.retrain,
        monitor: each.monitor,
      }),
    );
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw new InvalidError(`Release "${each.name}": ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is not valid'}.`);
    }
    return [{ definition: parsed.data, dataPath: from.source.path, testPath: serve.test?.path }];
  });
}

function withoutUndefined(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
export { readRuleFile } from '@slipway/learning/rules';
export { renderConfig } from './render-config.ts';
export {
  planModelLaunches,
  type FinishedModelDefinition,
  type FinishedModelOptions,
  type PlannedModelLaunch,
} from './imported/define-model.ts';
export { renderModelConfig } from './imported/render-model-config.ts';
