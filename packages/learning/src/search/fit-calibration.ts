import { type Calibration, ISOTONIC_POINT_LIMIT } from '../calibration.ts';
import { type Objective, rowLosses, type Targets } from '../trees/objective.ts';

/** Margins of rows, one array per output, and what they should have said. */
export interface Judged {
  readonly scores: readonly Float64Array[];
  readonly targets: Targets;
}

/** Bounds of slopes and factors: beyond, the margins say nothing that a scale could mend. */
const SCALE_LOW = 0.05;
const SCALE_HIGH = 20;
const NEWTON_STEPS = 50;
const GOLDEN_STEPS = 40;
/** An isotonic curve needs this many rows, and this many of each class. */
const ISOTONIC_ROWS_MIN = 1_000;
const ISOTONIC_CLASS_ROWS_MIN = 100;
/** Rows each point of an isotonic curve stands for, at least. */
const ISOTONIC_POINT_ROWS_MIN = 25;

export type CalibrationKind = Calibration['kind'];

/** Kinds that may help an objective, the simplest first. */
export function calibrationKinds(objective: Objective): CalibrationKind[] {
  if (objective === 'binary') return ['temperature', 'platt', 'isotonic'];
  return objective === 'multiclass' ? ['temperature'] : [];
}

/** The calibration of a kind that makes the log loss smallest on these rows; undefined when they cannot carry it. */
export function fitCalibration(kind: CalibrationKind, objective: Objective, judged: Judged): Calibration | undefined {
  if (kind === 'temperature') return fitTemperature(objective, judged);
  return kind === 'platt' ? fitPlatt(judged) : fitIsotonic(judged);
}

/** The factor with the lowest log loss, by golden section of its logarithm: the loss is convex in the factor. */
function fitTemperature(objective: Objective, { scores, targets }: Judged): Calibration {
  const lossAt = (logFactor: number): number => {
    const factor = Math.exp(logFactor);
    const losses = rowLosses(
      objective,
      targets,
      scores.map((own) => own.map((margin) => margin * factor)),
    );
    return losses.reduce((sum, loss, row) => sum + loss * (targets.weights?.[row] ?? 1), 0);
  };
  return { kind: 'temperature', factor: Math.exp(goldenMinimum(lossAt, Math.log(SCALE_LOW), Math.log(SCALE_HIGH))) };
}

function goldenMinimum(valueAt: (x: number) => number, from: number, to: number): number {
  const ratio = (Math.sqrt(5) - 1) / 2;
  let low = from;
  let high = to;
  let left = high - ratio * (high - low);
  let right = low + ratio * (high - low);
  let leftValue = valueAt(left);
  let rightValue = valueAt(right);
  for (let step = 0; step < GOLDEN_STEPS; step += 1) {
    if (leftValue <= rightValue) {
      [high, right, rightValue] = [right, left, leftValue];
      left = high - ratio * (high - low);
      leftValue = valueAt(left);
    } else {
      [low, left, leftValue] = [left, right, rightValue];
      right = low + ratio * (high - low);
      rightValue = valueAt(right);
    }
  }
  return (low + high) / 2;
}

/** Logistic regression of the class on the margin, by Newton's method with halved steps; targets smoothed as in Platt 1999. */
function fitPlatt({ scores, targets }: Judged): Calibration | undefined {
  const margins = scores[0] as Float64Array;
  const { target, weights } = targets;
  const positives = target.reduce((sum, label) => sum + label, 0);
  const high = (positives + 1) / (positives + 2);
  const low = 1 / (target.length - positives + 2);
  const wanted = target.map((label) => (label === 1 ? high : low));
  const lossAt = (slope: number, intercept: number): number => {
    let sum = 0;
    for (let row = 0; row < margins.length; row += 1) {
      const margin = slope * (margins[row] as number) + intercept;
      const soft = margin > 0 ? margin + Math.log1p(Math.exp(-margin)) : Math.log1p(Math.exp(margin));
      sum += (weights?.[row] ?? 1) * (soft - (wanted[row] as number) * margin);
    }
    return sum;
  };
  let slope = 1;
  let intercept = 0;
  let loss = lossAt(slope, intercept);
  for (let step = 0; step < NEWTON_STEPS; step += 1) {
    const [slopeStep, interceptStep] = newtonStep(margins, wanted, weights, slope, intercept);
    let share = 1;
    let next = lossAt(slope - slopeStep, intercept - interceptStep);
    while (!(next <= loss) && share > 1e-6) {
      share /= 2;
      next = lossAt(slope - share * slopeStep, intercept - share * interceptStep);
    }
    if (!(next < loss - 1e-12 * Math.abs(loss))) break;
    slope -= share * slopeStep;
    intercept -= share * interceptStep;
    loss = next;
  }
  return slope >= SCALE_LOW && slope <= SCALE_HIGH && Number.isFinite(intercept) ? { kind: 'platt', slope, intercept } : undefined;
}

function newtonStep(
  margins: Float64Array,
  wanted: Float64Array,
  weights: Float64Array | undefined,
  slope: number,
  intercept: number,
): [number, number] {
  const RIDGE = 1e-12;
  let [g0, g1, h00, h01, h11] = [0, 0, RIDGE, 0, RIDGE];
  for (let row = 0; row < margins.length; row += 1) {
    const margin = margins[row] as number;
    const share = 1 / (1 + Math.exp(-(slope * margin + intercept)));
    const weight = weights?.[row] ?? 1;
    const error = weight * (share - (wanted[row] as number));
    const curve = weight * share * (1 - share);
    g0 += error * margin;
    g1 += error;
    h00 += curve * margin * margin;
    h01 += curve * margin;
    h11 += curve;
  }
  const determinant = h00 * h11 - h01 * h01;
  if (!(Math.abs(determinant) > 0)) return [0, 0];
  return [(h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant];
}

interface Block {
  readonly weight: number;
  readonly positive: number;
  readonly margin: number;
  readonly rows: number;
}

/** Pooled adjacent violators (Ayer et al. 1955) on the log-odds scale, each block one point. */
function fitIsotonic({ scores, targets }: Judged): Calibration | undefined {
  const margins = scores[0] as Float64Array;
  const { target, weights } = targets;
  const positives = target.reduce((sum, label) => sum + label, 0);
  if (target.length < ISOTONIC_ROWS_MIN || Math.min(positives, target.length - positives) < ISOTONIC_CLASS_ROWS_MIN) return undefined;
  const order = Int32Array.from(target, (_, row) => row).sort(
    (left, right) => (margins[left] as number) - (margins[right] as number) || left - right,
  );
  const rowsMin = Math.max(ISOTONIC_POINT_ROWS_MIN, Math.ceil(target.length / ISOTONIC_POINT_LIMIT));
  const blocks: Block[] = [];
  let open: Block = EMPTY_BLOCK;
  for (const [at, row] of order.entries()) {
    const weight = weights?.[row] ?? 1;
    const margin = margins[row] as number;
    open = pool(open, { weight, positive: weight * (target[row] as number), margin: weight * margin, rows: 1 });
    const isTied = margins[order[at + 1] ?? -1] === margin;
    if (isTied || (open.rows < rowsMin && at < order.length - 1)) continue;
    blocks.push(open);
    open = EMPTY_BLOCK;
    poolViolators(blocks);
  }
  const last = blocks.at(-1);
  if (last && last.rows < rowsMin && blocks.length > 1) blocks.splice(-2, 2, pool(blocks.at(-2) as Block, last));
  poolViolators(blocks);
  const points = blocks.map((block) => ({ margin: block.margin / block.weight, value: oddsOf(block) }));
  const kept = points.filter((point, at) => at === 0 || point.margin > (points[at - 1] as { margin: number }).margin);
  if (kept.length < 2) return undefined;
  return { kind: 'isotonic', margins: kept.map((point) => point.margin), values: kept.map((point) => point.value) };
}

const EMPTY_BLOCK: Block = { weight: 0, positive: 0, margin: 0, rows: 0 };

function pool(left: Block, right: Block): Block {
  return {
    weight: left.weight + right.weight,
    positive: left.positive + right.positive,
    margin: left.margin + right.margin,
    rows: left.rows + right.rows,
  };
}

function poolViolators(blocks: Block[]): void {
  while (blocks.length > 1 && oddsOf(blocks.at(-2) as Block) >= oddsOf(blocks.at(-1) as Block)) {
    blocks.splice(-2, 2, pool(blocks.at(-2) as Block, blocks.at(-1) as Block));
  }
}

/** Log-odds of a block, half a row added to either class so that none is certain. */
function oddsOf({ weight, positive, rows }: Block): number {
  const one = weight / rows;
  return Math.log((positive + one / 2) / (weight - positive + one / 2));
}
