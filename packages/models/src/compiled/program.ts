/**
 * A graph as steps over one small memory of doubles: what a row needs, cell by cell. Plain data, so that a worker can make it and the
 * thread that serves can use it. Cells of type float hold values that a float32 holds; truth is 1 or 0; whole numbers are exact to 2^53.
 */
export interface GraphProgram {
  /** Cells of the memory. The row's numbers come first. */
  readonly cells: number;
  readonly inputWidth: number;
  readonly constants: readonly { readonly at: number; readonly values: Float64Array }[];
  readonly steps: readonly Step[];
  readonly outputs: Readonly<Record<string, ProgramOutput>>;
}

export interface ProgramOutput {
  readonly at: number;
  readonly width: number;
  readonly type: 'float' | 'double';
  /** The steps that it needs, in order. */
  readonly steps: Int32Array;
}

export type CellType = 'float' | 'double' | 'int64' | 'bool';

/** Cells that a step reads: from `at`, the same one again and again when `stride` is 0. */
export interface Operand {
  readonly at: number;
  readonly stride: 0 | 1;
}

/** Cells that a step writes: of type float, each is rounded to float32; whole numbers know no negative zero. */
interface Writes {
  readonly at: number;
  readonly size: number;
  readonly type: CellType;
}

export type UnaryName =
  | 'IsNaN'
  | 'Not'
  | 'Neg'
  | 'Abs'
  | 'Sqrt'
  | 'Log'
  | 'Exp'
  | 'Sigmoid'
  | 'Tanh'
  | 'Relu'
  | 'Floor'
  | 'Ceil'
  | 'Round'
  | 'Truncate'
  | 'Truth'
  | 'Copy';

export type BinaryName =
  | 'Add'
  | 'Sub'
  | 'Mul'
  | 'Div'
  | 'DivWhole'
  | 'Mod'
  | 'ModWhole'
  | 'Max'
  | 'Min'
  | 'Pow'
  | 'Equal'
  | 'Less'
  | 'LessOrEqual'
  | 'Greater'
  | 'GreaterOrEqual'
  | 'And'
  | 'Or';

/** Trees whose children are node numbers, or `~leaf`. */
export interface ProgramForest {
  readonly roots: Int32Array;
  /** Feature that a node asks for. */
  readonly feature: Int32Array;
  readonly mode: Uint8Array;
  readonly split: Float64Array;
  readonly missingYes: Uint8Array;
  readonly yes: Int32Array;
  readonly no: Int32Array;
  /** For nodes that ask for membership: where their bits start in `members`, and how many codes they cover. */
  readonly memberStart: Int32Array;
  readonly memberCount: Int32Array;
  /** 32 codes a word. */
  readonly members: Uint32Array;
  readonly leafTarget: Int32Array;
  readonly leafWeight: Float64Array;
}

/** One feature's say: for each range (or code) of its values, the leaves that each tree still can reach. */
export interface FeatureTable {
  readonly feature: number;
  /** Numbers: a value's row is how many of these, ascending, it is above. Codes: undefined. */
  readonly bounds: Float64Array | undefined;
  /** Codes: a code's row is itself; what is no code has the row after the last. Numbers: how many bounds there are. */
  readonly lastRow: number;
  /** Trees that ask for the feature. */
  readonly trees: Int32Array;
  /** Row-major [lastRow + 2, trees.length]; the last row is for what is missing. */
  readonly reachable: Int32Array;
}

/** A forest as tables: the leaf that a row falls into is the first that every feature leaves reachable. */
export interface ForestTables {
  /** All leaves of each tree. */
  readonly all: Int32Array;
  /** Place of each tree's first leaf in `leaves`. */
  readonly first: Int32Array;
  /** Numbers of the leaves, tree by tree from left to right. */
  readonly leaves: Int32Array;
  readonly tables: readonly FeatureTable[];
}

/** Values of {@link ProgramForest.mode}. */
export const NODE_LEQ = 0;
export const NODE_LT = 1;
export const NODE_MEMBER = 2;

export type Step = { readonly to: Writes } & (
  | { readonly op: 'unary'; readonly name: UnaryName; readonly from: Operand }
  | { readonly op: 'binary'; readonly name: BinaryName; readonly left: Operand; readonly right: Operand }
  | { readonly op: 'where'; readonly condition: Operand; readonly yes: Operand; readonly no: Operand }
  /** Copies cells by their addresses. */
  | { readonly op: 'gather'; readonly from: Int32Array }
  /** For each of `count` indices a row of `width` cells of the table at `table`, which has `rows` rows. */
  | {
      readonly op: 'lookUp';
      readonly table: number;
      readonly rows: number;
      readonly width: number;
      readonly indices: number;
      readonly count: number;
    }
  /** Adds `count` rows of `to.size` cells up. */
  | { readonly op: 'sumRows'; readonly from: number; readonly count: number }
  /** `to = from [inner] * weights [inner, to.size] + bias`; the weights are row-major. */
  | { readonly op: 'matMul'; readonly from: number; readonly inner: number; readonly weights: Float64Array; readonly bias: Operand | null }
  | { readonly op: 'softmax'; readonly from: number }
  /** With tables where these are quicker than walking. */
  | { readonly op: 'trees'; readonly from: number; readonly forest: ProgramForest; readonly tables: ForestTables | undefined }
);
