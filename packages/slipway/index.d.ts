/** Types of the public definition API, written by hand so that the published package needs no other declarations. */
export type FieldRole = 'numeric' | 'categorical' | 'boolean' | 'time' | 'text' | 'identifier' | 'target' | 'ignored';
export interface ReadOptions {
  readonly format?: 'csv' | 'parquet' | 'json' | 'ndjson';
  readonly delimiter?: string;
  readonly encoding?: 'utf-8' | 'latin1' | 'utf-16le' | 'utf-16be';
  readonly header?: boolean;
  /** Column names of a file without a header line. */
  readonly columns?: readonly string[];
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
  | { readonly kind: 'linear'; readonly params: Record<string, unknown> };
export declare function auto(options?: { readonly seconds?: number }): TrainerDefinition;
export declare function gbdt(params?: Readonly<Record<string, unknown>>): TrainerDefinition;
export declare function linear(params?: Readonly<Record<string, unknown>>): TrainerDefinition;

export type GateDefinition = Readonly<Record<string, unknown>> & { readonly kind: string };
/** A gate on a metric of the test rows. */
export declare function metric(name: string): {
  atLeast(value: number): GateDefinition;
  atMost(value: number): GateDefinition;
  betterThan(reference: 'baseline'): GateDefinition;
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
  readonly target: string;
  readonly positive?: string;
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
export interface ModelDefinition extends ModelOptions {
  readonly type: 'model';
  readonly name: string;
}
export declare function model(name: string, options: ModelOptions): ModelDefinition;

export interface ReleaseOptions {
  readonly serve: ModelDefinition;
  readonly recording?: 'full' | 'redacted' | 'none';
  readonly environment?: string;
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
