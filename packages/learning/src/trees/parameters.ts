/** Hyper-parameters of one gradient-boosted forest. Names follow what they bound; defaults follow LightGBM's. */
export interface TreeParameters {
  readonly learningRate: number;
  /** Leaves a tree may have. */
  readonly leafLimit: number;
  /** Longest path from root to leaf; 0 = unlimited. */
  readonly depthLimit: number;
  /** Fewest rows (estimated from hessians while searching, as LightGBM does) in a leaf. */
  readonly leafRowsMin: number;
  readonly leafHessianMin: number;
  readonly l1: number;
  readonly l2: number;
  /** Least improvement of the objective for a split. */
  readonly gainMin: number;
  /** Share of features each tree may use, 0..1. */
  readonly featureRatio: number;
  /** Share of rows each tree is grown on, 0..1. */
  readonly rowRatio: number;
  /** Bins per numeric feature, missing included; at most 255. Categories have a bin each. */
  readonly binLimit: number;
  /** Pseudo-count that keeps the order of rare categories near the middle. */
  readonly categorySmooth: number;
  /** Extra L2 on leaves of categorical splits. */
  readonly categoryL2: number;
  /** Most categories on the smaller side of a split. */
  readonly categorySetLimit: number;
  /** Up to this many codes a categorical feature is split one against the rest. */
  readonly categoryOneAgainstRestLimit: number;
  /** Rows by which a category set must grow between two tried splits. */
  readonly categoryGroupRowsMin: number;
  /**
   * Ridge penalty of a linear model that the trees begin from and correct, so that what grows goes on growing beyond the
   * rows seen; 0 = they begin from a constant. Read by who trains: `boost` is given margins.
   */
  readonly linearStrength: number;
}

export const TREE_DEFAULTS: TreeParameters = {
  learningRate: 0.1,
  leafLimit: 31,
  depthLimit: 0,
  leafRowsMin: 20,
  leafHessianMin: 1e-3,
  l1: 0,
  l2: 0,
  gainMin: 0,
  featureRatio: 1,
  rowRatio: 1,
  binLimit: 255,
  categorySmooth: 10,
  categoryL2: 10,
  categorySetLimit: 32,
  categoryOneAgainstRestLimit: 4,
  categoryGroupRowsMin: 100,
  linearStrength: 0,
};

/** Trees times outputs one forest may have. */
export const TREE_LIMIT = 20_000;
/** Bytes all histograms of one training may take; wider tables need fewer leaves. */
export const HISTOGRAM_LIMIT_BYTES = 2 ** 30;
