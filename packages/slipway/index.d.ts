/** Types of the public definition API, written by hand so that the published package needs no other declarations. */
export type FieldRole = 'numeric' | 'categorical' | 'boolean' | 'time' | 'text' | 'identifier' | 'target' | 'ignored';
export interface ReadOptions {
  readonly format?: 'csv' | 'parquet' | 'json' | 'ndjson';
  readonly delimiter?: string;
  readonly encoding?: 'utf-8' | 'latin1' | 'utf-16le' | 'utf-16be';
  readonly header?: boolean;
  /** Column names of a file without a header line. */
  readonly columns?: readonly string[];
  /** Texts that mean "missing", instead of the usual ones. */
  readonly missing?: readonly string[];
  /** Whether dates such as 03/04/2024 begin with the day, where a column does not tell. */
  readonly dayFirst?: boolean;
}
export interface SourceDefinition {
  readonly type: 'source';
  readonly path: string;
  readonly read: ReadOptions;
}
export declare function csv(path: string, options?: Omit<ReadOptions, 'format'>): SourceDefinition;
export declare function parquet(path: string): SourceDefinition;
export declare function json(path: string): SourceDefinition;
export declare function ndjson(path: string): SourceDefinition;
export declare function file(path: string, options?: ReadOptions): SourceDefinition;

export interface DatasetOptions {
  readonly source: SourceDefinition;
  /** A saved contract that the data must meet (`slipway datasets NAME --contract FILE`). */
  readonly contract?: Readonly<Record<string, unknown>>;
  readonly exclude?: readonly string[];
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
export declare function dataset(name: string, options: DatasetOptions): DatasetDefinition;

export type TrainerDefinition =
  | { readonly kind: 'auto'; readonly seconds: number }
  | { readonly kind: 'gbdt'; readonly params: Record<string, unknown> }
  | { readonly kind: 'linear'; readonly params: Record<string, unknown> }
  | { readonly kind: 'ensemble'; readonly params: Record<string, unknown> }
  | RulesDefinition;
export declare function auto(options?: { readonly seconds?: number }): TrainerDefinition;
export declare function gbdt(params?: Readonly<Record<string, unknown>>): TrainerDefinition;
export declare function linear(params?: Readonly<Record<string, unknown>>): TrainerDefinition;
export declare function ensemble(params: Readonly<Record<string, unknown>>): TrainerDefinition;

export interface RulesDefinition {
  readonly kind: 'rules';
  readonly params: Record<string, unknown>;
}
/** One rule: its condition as cells of a table or as a predicate over the row, and what it answers. */
export interface WrittenRule<Row> {
  readonly when: Readonly<Record<string, unknown>> | ((row: Row) => unknown);
  readonly then?: string | number | boolean;
  readonly probability?: number;
  readonly name?: string;
}
/** A decision table: the first rule that holds decides, else `otherwise`. A predicate's source is read; it is never run. */
export declare function rules<Row = Readonly<Record<string, never>>>(
  table: readonly WrittenRule<Row>[] | { readonly rules: readonly WrittenRule<Row>[]; readonly otherwise?: string | number | boolean },
  options?: { readonly otherwise?: string | number | boolean; readonly otherwiseProbability?: number },
): RulesDefinition;

export type GateDefinition = Readonly<Record<string, unknown>> & { readonly kind: string };
/** A gate on a metric of the test rows. */
export declare function metric(name: string): {
  atLeast(value: number): GateDefinition;
  atMost(value: number): GateDefinition;
  betterThan(reference: 'baseline' | 'rules'): GateDefinition;
};

/** A gate on a disparity between the groups of a sensitive column, or of an intersection (`sex+race`). */
export declare function fairness(column: string): {
  /** Selection rates (for numbers: mean predictions) within this ratio of each other. */
  ratioAtLeast(value: number): GateDefinition;
  differenceAtMost(value: number): GateDefinition;
  /** Any measure of the report by name, for example `equalized_odds_difference` or `mae_ratio`. */
  measure(name: string): { atLeast(value: number): GateDefinition; atMost(value: number): GateDefinition };
};
/** A gate on decisions that change unnoticed when rows are spoilt: all tests by their defaults, or one by one's own. */
export declare function robustness(test?: string, atMost?: number): GateDefinition;

export interface ModelOptions {
  readonly from: DatasetDefinition;
  /** The column to predict; left out with `unsupervised`. */
  readonly target?: string;
  /** No target: groups of rows, fewer columns or anomalies. */
  readonly unsupervised?: {
    readonly task: 'cluster' | 'reduce' | 'anomaly';
    readonly clusters?: number;
    readonly components?: number;
    readonly contamination?: number;
    readonly label?: string;
  };
  readonly positive?: string;
  readonly task?: 'binary' | 'multiclass' | 'regression' | 'ranking';
  /** Ranking: the column whose equal values make rows compete. */
  readonly query?: string;
  readonly loss?: Readonly<Record<string, unknown>> & { readonly kind: string };
  readonly monotone?: Readonly<Record<string, 'increasing' | 'decreasing'>>;
  readonly interactions?: readonly (readonly string[])[];
  /** Makes the model a forecaster of the target along the dataset's `time`. */
  readonly forecast?: Readonly<Record<string, unknown>>;
  /** Rules that the model must be worth more than. */
  readonly baseline?: RulesDefinition;
  /** What decisions or errors cost. */
  readonly objective?: Readonly<Record<string, unknown>>;
  /** Columns that no counterfactual changes; the sensitive ones never are. */
  readonly immutable?: readonly string[];
  readonly test?: SourceDefinition;
  readonly train?: TrainerDefinition;
  readonly seed?: number;
  readonly split?: {
    readonly strategy?: 'auto' | 'stratified' | 'random' | 'group' | 'time';
    readonly testRatio?: number;
    readonly seed?: number;
  };
  readonly gates?: readonly GateDefinition[];
  /** Gates beside the default ones, or beside `gates`. */
  readonly moreGates?: readonly GateDefinition[];
  readonly sensitive?: readonly string[];
  /** What is done about disparities between the groups of the sensitive columns. */
  readonly mitigate?: 'reweighing' | 'thresholds' | 'thresholds:equal_opportunity';
  readonly acceptLeak?: readonly string[];
}
export interface LearnedModelDefinition extends ModelOptions {
  readonly type: 'model';
  readonly name: string;
}
/** A model made elsewhere: an ONNX file, and what its graph does not say. */
export interface FinishedModelOptions {
  readonly onnx: SourceDefinition;
  /** Rows it was trained or tested on: names, ranges, and what monitors compare with. */
  readonly reference?: SourceDefinition | DatasetDefinition;
  /** The column of the reference data that holds the truth. */
  readonly target?: string;
  readonly task?: 'binary' | 'multiclass' | 'regression';
  readonly columns?: string[];
  readonly classes?: string[];
  readonly output?: string;
  readonly scores?: 'probabilities' | 'logits';
  readonly exclude?: readonly string[];
  readonly as?: Readonly<Record<string, FieldRole>>;
  readonly subject?: string;
}
export interface FinishedModelDefinition extends FinishedModelOptions {
  readonly type: 'model';
  readonly name: string;
}
export type ModelDefinition = LearnedModelDefinition | FinishedModelDefinition;
export declare function model(name: string, options: FinishedModelOptions): FinishedModelDefinition;
export declare function model(name: string, options: ModelOptions): LearnedModelDefinition;

export interface RolloutDefinition {
  readonly strategy: 'canary' | 'shadow' | 'ab';
  readonly [option: string]: unknown;
}
/** A rollout by growing shares of the traffic, rolled back by itself when something is surely worse. */
export declare function canary(options?: Readonly<Record<string, unknown>>): RolloutDefinition;
/** A rollout decided by mirrored calls alone. */
export declare function shadow(options?: Readonly<Record<string, unknown>>): RolloutDefinition;
/** One fixed split of the traffic until a version is surely better. */
export declare function ab(options?: Readonly<Record<string, unknown>>): RolloutDefinition;

export interface RetrainTrigger {
  readonly kind: 'drift' | 'quality' | 'schedule' | 'new-data';
  readonly [option: string]: unknown;
}
export interface RetrainDefinition {
  readonly on?: readonly RetrainTrigger[];
  readonly [option: string]: unknown;
}
/** When a release trains its model again on its labelled calls. */
export declare function retrain(policy: RetrainDefinition): RetrainDefinition;
/** Starts a retraining when inputs, answers or the error have drifted. */
export declare function drift(options?: Readonly<Record<string, unknown>>): RetrainTrigger;
/** … when measured quality fell. */
export declare function qualityDrop(options?: Readonly<Record<string, unknown>>): RetrainTrigger;
/** … at the times of a cron expression in UTC. */
export declare function schedule(cron: string): RetrainTrigger;
/** … when so many labelled calls are new. */
export declare function newData(options: { readonly rows: number; readonly [option: string]: unknown }): RetrainTrigger;

export type MonitorDefinition = Readonly<Record<string, unknown>>;
/** What the monitor of a release asks, as `slipway monitor NAME --settings` takes it. */
export declare function monitor(settings: MonitorDefinition): MonitorDefinition;

export interface ReleaseOptions {
  readonly serve: ModelDefinition;
  readonly recording?: 'full' | 'redacted' | 'none';
  readonly environment?: string;
  /** How a new revision takes over from a live one; at once when left out. */
  readonly rollout?: RolloutDefinition;
  /** How the model is run: `{ lanes: 2, threads: 2, maxBatchRows: 64 }`; what is left out is chosen by measuring. */
  readonly serving?: Readonly<Record<string, unknown>>;
  /** When the model is trained again by itself, and on what. */
  readonly retrain?: RetrainDefinition;
  /** What the release is watched for; everything by defaults when left out. */
  readonly monitor?: MonitorDefinition;
}
export interface ReleaseDefinition extends ReleaseOptions {
  readonly type: 'release';
  readonly name: string;
}
export declare function release(name: string, options: ReleaseOptions): ReleaseDefinition;

export type Definition = DatasetDefinition | ModelDefinition | ReleaseDefinition;
export interface ProjectDefinition {
  readonly type: 'project';
  readonly name: string;
  readonly definitions: readonly Definition[];
}
export declare function defineProject(name: string, definitions: readonly Definition[]): ProjectDefinition;
