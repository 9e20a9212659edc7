import { BIN_LIMIT, CELL_BYTES, FEATURE_BYTES, GROUP_SIZE, type Kernel } from './kernel.ts';
import { type Objective, writeGradients } from './objective.ts';

/** Byte addresses inside the kernel's memory. */
export interface Layout {
  readonly bins: number;
  readonly rows: number;
  readonly scratch: number;
  readonly pairs: number;
  readonly ordered: number;
  readonly histograms: number;
  readonly goesLeft: number;
  readonly sizeBytes: number;
}

/** What is done in pieces, by the training thread alone or together with helpers. */
export const JobKind = { fill: 1, gather: 2, partition: 3, gradients: 4 } as const;

/** Numbers of one job: its kind, how many tasks it has, and its arguments (addresses as unsigned 32-bit numbers). */
export const JOB_INTS = 8;

/** Everything a task touches; all of it lies in shared memory when there are helpers. */
export interface TaskContext {
  readonly kernel: Kernel;
  readonly buffer: ArrayBufferLike;
  readonly layout: Layout;
  readonly rowCount: number;
  /** Feature groups in use. */
  readonly groups: Int32Array;
  /** Rows that each block of a partition sent left. */
  readonly blockLeft: Int32Array;
  /** For gradients; undefined where they are not shared. */
  readonly learning: LearningArrays | undefined;
}

/** What row-wise gradients are made from. */
export interface LearningArrays {
  readonly objective: Objective;
  readonly target: Float64Array;
  readonly weights: Float64Array | undefined;
  /** Scores of each output; for several classes their softmax shares. */
  readonly scores: readonly Float64Array[];
}

/** Rows of one task of a job that goes by rows. */
export const BLOCK_ROWS = 16_384;

const GROUP_BYTES = GROUP_SIZE * FEATURE_BYTES;

/** Does one task of a job. Tasks of a job touch different memory, so their order and thread make no difference. */
export function runTask(context: TaskContext, job: Int32Array, task: number): void {
  const kind = job[0];
  if (kind === JobKind.fill) fillGroups(context, job, task);
  else if (kind === JobKind.gather) gatherBlock(context, job, task);
  else if (kind === JobKind.partition) partitionBlock(context, job, task);
  else gradientBlock(context, job, task);
}

/** Arguments: row list, rows, address of the pairs, histogram, the histogram it is taken from (or 0), groups a task. */
function fillGroups({ kernel, buffer, layout, rowCount, groups }: TaskContext, job: Int32Array, task: number): void {
  const [, , rows = 0, count = 0, pairs = 0, histogram = 0, parent = 0, groupsPerTask = 1] = job;
  const end = Math.min(groups.length, (task + 1) * groupsPerTask);
  for (let at = task * groupsPerTask; at < end; at += 1) {
    const group = groups[at] as number;
    const own = (histogram >>> 0) + group * GROUP_BYTES;
    new Float64Array(buffer, own, GROUP_BYTES / 8).fill(0);
    kernel.fill(layout.bins + group * rowCount * GROUP_SIZE, rows, count, pairs, own);
    if (parent !== 0) kernel.subtract((parent >>> 0) + group * GROUP_BYTES, own, GROUP_SIZE * BIN_LIMIT);
  }
}

/** Arguments: row list, rows. */
function gatherBlock({ kernel, layout }: TaskContext, job: Int32Array, task: number): void {
  const [, , rows = 0, count = 0] = job;
  const from = task * BLOCK_ROWS;
  kernel.gather(layout.pairs, (rows >>> 0) + from * 4, Math.min(BLOCK_ROWS, count - from), layout.ordered + from * CELL_BYTES);
}

/** Arguments: row list, rows, bins of the feature. Each block is divided on its own; the caller joins them. */
function partitionBlock({ kernel, layout, blockLeft }: TaskContext, job: Int32Array, task: number): void {
  const [, , rows = 0, count = 0, bins = 0] = job;
  const from = task * BLOCK_ROWS;
  const size = Math.min(BLOCK_ROWS, count - from);
  blockLeft[task] = kernel.partition(bins, (rows >>> 0) + from * 4, size, layout.scratch + from * 4, layout.goesLeft);
}

/** Arguments: output. */
function gradientBlock({ buffer, layout, learning, rowCount }: TaskContext, job: Int32Array, task: number): void {
  if (!learning) throw new Error('Gradients were asked of a helper that has no targets.');
  const from = task * BLOCK_ROWS;
  const to = Math.min(rowCount, from + BLOCK_ROWS);
  const { objective, target, weights, scores } = learning;
  const targets = { target: target.subarray(from, to), weights: weights?.subarray(from, to) };
  const pairs = new Float64Array(buffer, layout.pairs + from * CELL_BYTES, (to - from) * 2);
  writeGradients(
    objective,
    targets,
    scores.map((each) => each.subarray(from, to)),
    job[2] as number,
    pairs,
  );
}
