import { invariant } from '@slipway/kernel';
import { TreeSpaceError } from '../errors.ts';
import { type BinnedMatrix, groupCount } from './binning.ts';
import { type Bounds, childBounds, clamp, enforceMonotone, type TreeConstraints, UNBOUNDED } from './constraints.ts';
import { Crew } from './crew.ts';
import { BIN_LIMIT, CELL_BYTES, createKernel, FEATURE_BYTES, GROUP_SIZE } from './kernel.ts';
import { HISTOGRAM_LIMIT_BYTES, type TreeParameters } from './parameters.ts';
import { emptySplit, FEATURE_DOUBLES, leafOutput, type Split, SplitFinder } from './split.ts';
import { TASK_LIMIT } from './take-tasks.ts';
import { SET_WORDS, type Tree } from './tree.ts';
import { BLOCK_ROWS, JOB_INTS, JobKind, type Layout, type LearningArrays, runTask, type TaskContext } from './tree-tasks.ts';

interface Leaf {
  /** Position of its first row in the row list. */
  begin: number;
  rows: number;
  depth: number;
  gradient: number;
  hessian: number;
  /** Which histogram it owns; -1 when it needs none. */
  slot: number;
  value: number;
  /** The child link that points at it: node * 2 + (0 left | 1 right); -1 for the root. */
  link: number;
  /** Outputs it may take, before the learning rate. */
  bounds: Bounds;
  /** Features it may be split by. */
  features: readonly number[];
  /** Interaction lists that hold every feature on the path to it. */
  lists: readonly ReadonlySet<number>[];
  readonly split: Split;
}

function planLayout(rowCount: number, groups: number, slots: number): Layout {
  let next = 0;
  const region = (sizeBytes: number): number => {
    const start = next;
    next += Math.ceil(sizeBytes / 64) * 64;
    return start;
  };
  return {
    bins: region(groups * rowCount * GROUP_SIZE),
    rows: region(rowCount * 4),
    scratch: region(rowCount * 4),
    pairs: region(rowCount * CELL_BYTES),
    ordered: region(rowCount * CELL_BYTES),
    histograms: region(slots * groups * GROUP_SIZE * FEATURE_BYTES),
    goesLeft: region(BIN_LIMIT),
    get sizeBytes() {
      return next;
    },
  };
}

/** The kernel's addresses are 32 bits wide. */
const MEMORY_LIMIT_BYTES = 2 ** 32 - 2 ** 16;

/** Rows times feature groups from which a job is worth sharing: about 50 microseconds of work. */
const SHARED_CELLS_MIN = 32_768;

/** Threads that help one training, and what they need for gradients. */
export interface Help {
  readonly helpers: number;
  readonly learning: LearningArrays | undefined;
}

/**
 * Grows trees leaf by leaf, best gain first (Shi 2007; Ke et al. 2017), on gradients the caller writes into `pairs`.
 * One instance serves all trees of a training and owns the memory of its rows.
 */
export class TreeGrower {
  /** (gradient, hessian) of each row, interleaved; the caller fills it before `grow`. */
  readonly pairs: Float64Array;
  readonly #data: BinnedMatrix;
  readonly #parameters: TreeParameters;
  readonly #layout: Layout;
  #context: TaskContext;
  readonly #crew: Crew | undefined;
  /** Shared with the helpers: the groups in use, and how many. */
  readonly #groupList: Int32Array;
  readonly #groupListSize: Int32Array;
  readonly #job = new Int32Array(JOB_INTS);
  readonly #rows: Int32Array;
  readonly #scratch: Int32Array;
  readonly #histograms: Float64Array;
  readonly #goesLeft: Uint8Array;
  readonly #finder: SplitFinder;
  readonly #groups: number;
  readonly #constraints: TreeConstraints | undefined;
  #features: readonly number[] = [];
  #leaves: Leaf[] = [];
  #freeSlots: number[] = [];
  #nodes: NodeList = emptyNodes();

  /** @throws {TreeSpaceError} when the histograms or the table exceed their named limits. */
  constructor(
    data: BinnedMatrix,
    parameters: TreeParameters,
    constraints?: TreeConstraints,
    help: Help = { helpers: 0, learning: undefined },
  ) {
    this.#data = data;
    this.#constraints = constraints;
    this.#parameters = parameters;
    this.#groups = groupCount(data.features.length);
    const slots = parameters.leafLimit + 1;
    const histogramBytes = slots * this.#groups * GROUP_SIZE * FEATURE_BYTES;
    if (histogramBytes > HISTOGRAM_LIMIT_BYTES) {
      throw new TreeSpaceError(
        `${data.features.length} features with ${parameters.leafLimit} leaves need ${histogramBytes} bytes of histograms.`,
        {
          details: { histogramBytes, limitBytes: HISTOGRAM_LIMIT_BYTES },
          help: 'Use fewer leaves, or exclude columns.',
        },
      );
    }
    this.#layout = planLayout(data.rowCount, this.#groups, slots);
    if (this.#layout.sizeBytes > MEMORY_LIMIT_BYTES) {
      throw new TreeSpaceError(`${data.rowCount} rows of ${data.features.length} features do not fit the trainer's memory.`, {
        details: { sizeBytes: this.#layout.sizeBytes, limitBytes: MEMORY_LIMIT_BYTES },
        help: 'Train on a sample of the rows, or exclude columns.',
      });
    }
    const { kernel, buffer, memory } = createKernel(this.#layout.sizeBytes, help.helpers > 0);
    new Uint8Array(buffer, this.#layout.bins, data.bins.length).set(data.bins);
    this.pairs = new Float64Array(buffer, this.#layout.pairs, data.rowCount * 2);
    this.#rows = new Int32Array(buffer, this.#layout.rows, data.rowCount);
    this.#scratch = new Int32Array(buffer, this.#layout.scratch, data.rowCount);
    this.#histograms = new Float64Array(buffer, this.#layout.histograms, (histogramBytes / CELL_BYTES) * 2);
    this.#goesLeft = new Uint8Array(buffer, this.#layout.goesLeft, BIN_LIMIT);
    const ints = (length: number) => new Int32Array(new SharedArrayBuffer(length * 4));
    this.#groupList = ints(this.#groups);
    this.#groupListSize = ints(1);
    const { rowCount } = data;
    const blockLeft = ints(Math.ceil(rowCount / BLOCK_ROWS));
    const { learning } = help;
    this.#context = { kernel, buffer, layout: this.#layout, rowCount, groups: this.#groupList, blockLeft, learning };
    if (help.helpers > 0) {
      const setup = {
        memory,
        layout: this.#layout,
        rowCount,
        groups: this.#groupList,
        groupCount: this.#groupListSize,
        blockLeft,
        learning,
      };
      this.#crew = new Crew(help.helpers, setup);
    }
    this.#finder = new SplitFinder(parameters, constraints?.monotone);
  }

  /**
   * Grows one tree on the given rows (ascending; all rows when undefined) and features.
   * @param outputOf the output of a leaf's rows before the learning rate, for losses whose gradients do not say it.
   * @returns undefined when no split improves the objective.
   */
  grow(rows: Int32Array | undefined, features: readonly number[], outputOf?: (rows: Int32Array) => number): Tree | undefined {
    this.#start(rows, features);
    while (this.#leaves.length < this.#parameters.leafLimit) {
      const leaf = this.#bestLeaf();
      if (leaf === undefined) break;
      this.#apply(leaf);
    }
    if (this.#leaves.length === 1) return undefined;
    if (outputOf) {
      const { learningRate } = this.#parameters;
      for (const leaf of this.#leaves) leaf.value = learningRate * outputOf(this.#rows.subarray(leaf.begin, leaf.begin + leaf.rows));
    }
    return this.#finish(outputOf !== undefined);
  }

  /** Adds the outputs of the tree just grown to the scores of the rows it was grown on. */
  addToScores(scores: Float64Array): void {
    const rows = this.#rows;
    for (const leaf of this.#leaves) {
      const { value } = leaf;
      const end = leaf.begin + leaf.rows;
      for (let index = leaf.begin; index < end; index += 1) {
        const row = rows[index] as number;
        scores[row] = (scores[row] as number) + value;
      }
    }
  }

  #start(rows: Int32Array | undefined, features: readonly number[]): void {
    const count = rows ? rows.length : this.#data.rowCount;
    if (rows) this.#rows.set(rows);
    else for (let row = 0; row < count; row += 1) this.#rows[row] = row;
    this.#features = features;
    const groups = [...new Set(features.map((feature) => Math.floor(feature / GROUP_SIZE)))];
    this.#groupList.set(groups);
    Atomics.store(this.#groupListSize, 0, groups.length);
    this.#context = { ...this.#context, groups: this.#groupList.subarray(0, groups.length) };
    this.#nodes = emptyNodes();
    this.#freeSlots = Array.from({ length: this.#parameters.leafLimit + 1 }, (_, slot) => this.#parameters.leafLimit - slot);
    let gradient = 0;
    let hessian = 0;
    for (let index = 0; index < count; index += 1) {
      const row = this.#rows[index] as number;
      gradient += this.pairs[2 * row] as number;
      hessian += this.pairs[2 * row + 1] as number;
    }
    const place = { begin: 0, rows: count, depth: 0, slot: -1, link: -1 };
    const lists = this.#constraints?.interactions ?? [];
    const root: Leaf = { ...place, gradient, hessian, value: 0, bounds: UNBOUNDED, features, lists, split: emptySplit() };
    this.#leaves = [root];
    if (this.#mayBeSplit(root)) {
      this.#fill(root);
      this.#search(root);
    }
  }

  #mayBeSplit(leaf: Leaf): boolean {
    const { depthLimit, leafRowsMin, leafHessianMin } = this.#parameters;
    return (depthLimit === 0 || leaf.depth < depthLimit) && leaf.rows >= 2 * leafRowsMin && leaf.hessian >= 2 * leafHessianMin;
  }

  #bestLeaf(): Leaf | undefined {
    let best: Leaf | undefined;
    for (const leaf of this.#leaves) if (leaf.split.feature >= 0 && (!best || leaf.split.gain > best.split.gain)) best = leaf;
    return best;
  }

  #slotDoubles(slot: number): number {
    return slot * this.#groups * GROUP_SIZE * FEATURE_DOUBLES;
  }

  #slotAddress(slot: number): number {
    return this.#layout.histograms + slot * this.#groups * GROUP_SIZE * FEATURE_BYTES;
  }

  #takeSlot(): number {
    const slot = this.#freeSlots.pop();
    invariant(slot !== undefined, 'a tree has at most one histogram a leaf');
    return slot;
  }

  /** Fills a leaf's histogram from its rows, and takes it from its parent's where that becomes the sibling's. */
  #fill(leaf: Leaf, parentSlot = -1): void {
    leaf.slot = this.#takeSlot();
    const { rows, pairs, ordered } = this.#layout;
    const first = rows + leaf.begin * 4;
    // The root's rows are in order already, unless it is a sample.
    const isWhole = leaf.rows === this.#data.rowCount;
    if (!isWhole) this.#byBlocks(JobKind.gather, leaf.rows, [first, leaf.rows]);
    const groupCount = this.#context.groups.length;
    const groupsPerTask = Math.max(1, Math.ceil(groupCount / TASK_LIMIT));
    const parent = parentSlot < 0 ? 0 : this.#slotAddress(parentSlot);
    const own = this.#slotAddress(leaf.slot);
    this.#run(leaf.rows * groupCount, [
      JobKind.fill,
      Math.ceil(groupCount / groupsPerTask),
      first,
      leaf.rows,
      isWhole ? pairs : ordered,
      own,
      parent,
      groupsPerTask,
    ]);
  }

  /** A job that goes by blocks of rows. */
  #byBlocks(kind: number, rows: number, given: readonly number[]): void {
    this.#run(rows, [kind, Math.ceil(rows / BLOCK_ROWS), ...given]);
  }

  /** Does a job: with the helpers when it is large enough to share, alone otherwise. Both give the same bits. */
  #run(cells: number, ints: readonly number[]): void {
    const taskCount = ints[1] as number;
    if (this.#crew && this.#isShared(cells) && taskCount > 1 && taskCount <= TASK_LIMIT && this.#crew.isWilling()) {
      this.#crew.run(this.#context, ints);
      return;
    }
    this.#job.set(ints);
    for (let task = 0; task < taskCount; task += 1) runTask(this.#context, this.#job, task);
  }

  #isShared(cells: number): boolean {
    return this.#crew !== undefined && cells >= SHARED_CELLS_MIN;
  }

  /** Writes the gradients of an output into `pairs`, with the helpers that have the scores. */
  writeGradients(output: number): void {
    this.#byBlocks(JobKind.gradients, this.#data.rowCount, [output]);
  }

  /** Ends the helpers. */
  close(): void {
    this.#crew?.dismiss();
  }

  #search(leaf: Leaf): void {
    const base = this.#slotDoubles(leaf.slot);
    leaf.split.feature = -1;
    leaf.split.gain = 0;
    for (const feature of leaf.features) {
      const bins = this.#data.features[feature];
      if (bins) this.#finder.search(this.#histograms, base + feature * FEATURE_DOUBLES, feature, bins, leaf, leaf.split);
    }
  }

  /** Splits a leaf: partition its rows, make the children, give them histograms while a further split is possible. */
  #apply(leaf: Leaf): void {
    const { split } = leaf;
    const leftRows = this.#partition(leaf);
    if (leftRows === 0 || leftRows === leaf.rows) {
      // Row counts are estimated from hessians during the search, so a side may turn out empty.
      split.feature = -1;
      return;
    }
    const node = this.#addNode(leaf);
    const right: Leaf = {
      begin: leaf.begin + leftRows,
      rows: leaf.rows - leftRows,
      depth: leaf.depth + 1,
      gradient: leaf.gradient - split.leftGradient,
      hessian: leaf.hessian - split.leftHessian,
      slot: -1,
      value: 0,
      link: node * 2 + 1,
      bounds: leaf.bounds,
      features: leaf.features,
      lists: leaf.lists,
      split: emptySplit(),
    };
    const parentSlot = leaf.slot;
    leaf.rows = leftRows;
    leaf.depth += 1;
    leaf.gradient = split.leftGradient;
    leaf.hessian = split.leftHessian;
    leaf.link = node * 2;
    this.#setOutputs(leaf, right, split);
    if (this.#constraints?.interactions) this.#narrow(leaf, right, split.feature);
    split.feature = -1;
    this.#leaves.push(right);
    this.#fillChildren(leaf, right, parentSlot);
  }

  #setOutputs(left: Leaf, right: Leaf, split: Split): void {
    const { learningRate, l1 } = this.#parameters;
    const leftOutput = clamp(leafOutput(left.gradient, left.hessian, l1, split.l2), left.bounds);
    const rightOutput = clamp(leafOutput(right.gradient, right.hessian, l1, split.l2), left.bounds);
    const direction = this.#constraints?.monotone?.[split.feature] ?? 0;
    [left.bounds, right.bounds] = childBounds(left.bounds, direction, leftOutput, rightOutput);
    left.value = learningRate * leftOutput;
    right.value = learningRate * rightOutput;
  }

  /** Below a split only features that share a list with everything on the path may follow. */
  #narrow(left: Leaf, right: Leaf, feature: number): void {
    const lists = left.lists.filter((list) => list.has(feature));
    const features = this.#features.filter((each) => lists.some((list) => list.has(each)));
    for (const leaf of [left, right]) Object.assign(leaf, { lists, features });
  }

  /** The smaller child is counted, the larger one is its parent minus that. */
  #fillChildren(left: Leaf, right: Leaf, parentSlot: number): void {
    const [smaller, larger] = left.rows <= right.rows ? [left, right] : [right, left];
    const mayGoOn = this.#leaves.length < this.#parameters.leafLimit;
    const largerCounts = mayGoOn && this.#mayBeSplit(larger);
    const smallerCounts = mayGoOn && this.#mayBeSplit(smaller);
    smaller.slot = -1;
    larger.slot = -1;
    if (largerCounts || smallerCounts) {
      this.#fill(smaller, largerCounts ? parentSlot : -1);
      larger.slot = parentSlot;
    } else this.#freeSlots.push(parentSlot);
    for (const [leaf, counts] of [
      [smaller, smallerCounts],
      [larger, largerCounts],
    ] as const) {
      if (counts) this.#search(leaf);
      if (leaf.slot >= 0 && leaf.split.feature < 0) this.#freeSlot(leaf);
    }
  }

  #freeSlot(leaf: Leaf): void {
    this.#freeSlots.push(leaf.slot);
    leaf.slot = -1;
  }

  #partition(leaf: Leaf): number {
    const { split } = leaf;
    const table = this.#goesLeft;
    table.fill(0);
    if (split.isCategorical) for (let index = 0; index < split.setSize; index += 1) table[split.set[index] as number] = 1;
    else {
      table.fill(1, 1, split.bin + 1);
      table[0] = split.missingLeft ? 1 : 0;
    }
    const group = Math.floor(split.feature / GROUP_SIZE);
    const bins = this.#layout.bins + group * this.#data.rowCount * GROUP_SIZE + (split.feature % GROUP_SIZE);
    const { kernel } = this.#context;
    const first = this.#layout.rows + leaf.begin * 4;
    if (!this.#isShared(leaf.rows)) return kernel.partition(bins, first, leaf.rows, this.#layout.scratch, this.#layout.goesLeft);
    this.#byBlocks(JobKind.partition, leaf.rows, [first, leaf.rows, bins]);
    return this.#joinBlocks(leaf);
  }

  /** Brings the left rows of all blocks together before the right ones; blocks keep their order, so the rows do. */
  #joinBlocks(leaf: Leaf): number {
    const { blockLeft } = this.#context;
    const blocks = Math.ceil(leaf.rows / BLOCK_ROWS);
    if (blocks === 1) return blockLeft[0] as number;
    const rows = this.#rows.subarray(leaf.begin, leaf.begin + leaf.rows);
    const kept = this.#scratch;
    let left = 0;
    let right = 0;
    for (let block = 0; block < blocks; block += 1) {
      const from = block * BLOCK_ROWS;
      const to = Math.min(leaf.rows, from + BLOCK_ROWS);
      const middle = from + (blockLeft[block] as number);
      kept.set(rows.subarray(middle, to), right);
      right += to - middle;
      rows.copyWithin(left, from, middle);
      left += middle - from;
    }
    rows.set(kept.subarray(0, right), left);
    return left;
  }

  #addNode(leaf: Leaf): number {
    const { split } = leaf;
    const nodes = this.#nodes;
    const node = nodes.feature.length;
    if (leaf.link >= 0) (leaf.link % 2 === 0 ? nodes.left : nodes.right)[leaf.link >> 1] = node;
    nodes.feature.push(split.feature);
    nodes.bin.push(split.bin);
    nodes.missingLeft.push(split.missingLeft ? 1 : 0);
    nodes.gain.push(split.gain);
    nodes.left.push(0);
    nodes.right.push(0);
    const bins = this.#data.features[split.feature];
    nodes.threshold.push(split.isCategorical ? 0 : (bins?.upper[split.bin - 1] ?? Number.POSITIVE_INFINITY));
    nodes.set.push(split.isCategorical ? nodes.sets.length / SET_WORDS : -1);
    if (split.isCategorical) {
      const words = new Uint32Array(SET_WORDS);
      for (const code of split.set.subarray(0, split.setSize)) words[code >>> 5] = (words[code >>> 5] as number) | (1 << (code & 31));
      nodes.sets.push(...words);
    }
    return node;
  }

  #finish(isRenewed: boolean): Tree {
    const nodes = this.#nodes;
    this.#leaves.forEach((leaf, index) => {
      (leaf.link % 2 === 0 ? nodes.left : nodes.right)[leaf.link >> 1] = ~index;
    });
    const tree: Tree = {
      feature: Int32Array.from(nodes.feature),
      threshold: Float64Array.from(nodes.threshold),
      missingLeft: Uint8Array.from(nodes.missingLeft),
      bin: Int32Array.from(nodes.bin),
      set: Int32Array.from(nodes.set),
      left: Int32Array.from(nodes.left),
      right: Int32Array.from(nodes.right),
      gain: Float64Array.from(nodes.gain),
      sets: Uint32Array.from(nodes.sets),
      value: Float64Array.from(this.#leaves, (leaf) => leaf.value),
    };
    const monotone = this.#constraints?.monotone;
    if (isRenewed && monotone) {
      enforceMonotone(
        tree,
        this.#leaves.map((leaf) => leaf.rows),
        monotone,
      );
      this.#leaves.forEach((leaf, index) => {
        leaf.value = tree.value[index] as number;
      });
    }
    return tree;
  }
}

interface NodeList {
  readonly feature: number[];
  readonly threshold: number[];
  readonly missingLeft: number[];
  readonly bin: number[];
  readonly set: number[];
  readonly left: number[];
  readonly right: number[];
  readonly gain: number[];
  readonly sets: number[];
}

function emptyNodes(): NodeList {
  return { feature: [], threshold: [], missingLeft: [], bin: [], set: [], left: [], right: [], gain: [], sets: [] };
}
