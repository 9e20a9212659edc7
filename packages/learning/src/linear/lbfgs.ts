/** A smooth function to be made small. */
export interface SmoothProblem {
  /** The value at a point; adds the gradient to `gradient`, which comes zeroed. */
  evaluate(point: Float64Array, gradient: Float64Array): number;
}

export interface MinimiseOptions {
  readonly iterationLimit: number;
  /** Ends when two iterations in a row lower the value by less than this share of it. */
  readonly valueTolerance: number;
  /** Ends when no part of the gradient is larger. */
  readonly gradientTolerance?: number;
  readonly shouldStop?: (() => boolean) | undefined;
}

/** Steps the curvature is remembered for. */
const MEMORY = 7;
const HALVING_LIMIT = 30;
/** Share of the promised decrease that a step must bring (Armijo). */
const DECREASE_RATIO = 1e-4;

interface Position {
  readonly point: Float64Array;
  readonly gradient: Float64Array;
  readonly value: number;
}

interface Step {
  readonly move: Float64Array;
  readonly change: Float64Array;
  readonly inverse: number;
}

/** Minimises by L-BFGS (Nocedal 1980) with halved steps. Deterministic. @returns the last point, better than the start. */
export function minimise(problem: SmoothProblem, start: Float64Array, options: MinimiseOptions): Float64Array {
  let here = positionAt(problem, start);
  const memory: Step[] = [];
  let idle = 0;
  for (let iteration = 0; iteration < options.iterationLimit && idle < 2; iteration += 1) {
    if (options.shouldStop?.() || largest(here.gradient) <= (options.gradientTolerance ?? 0)) break;
    const next = descend(problem, here, memory);
    if (!next) break;
    remember(memory, here, next);
    idle = here.value - next.value <= options.valueTolerance * Math.abs(here.value) ? idle + 1 : 0;
    here = next;
  }
  return here.point;
}

function positionAt(problem: SmoothProblem, point: Float64Array): Position {
  const gradient = new Float64Array(point.length);
  return { point, gradient, value: problem.evaluate(point, gradient) };
}

/** Halves the step until the value falls enough; the first step of all has the length of one at most. */
function descend(problem: SmoothProblem, here: Position, memory: readonly Step[]): Position | undefined {
  const direction = directionAt(here.gradient, memory);
  const slope = dot(direction, here.gradient);
  if (!(slope < 0)) return undefined;
  let factor = memory.length === 0 ? Math.min(1, 1 / Math.sqrt(dot(direction, direction))) : 1;
  for (let halving = 0; halving < HALVING_LIMIT; halving += 1) {
    const point = here.point.slice();
    addTo(point, direction, factor);
    const next = positionAt(problem, point);
    if (next.value <= here.value + DECREASE_RATIO * factor * slope) return next;
    factor /= 2;
  }
  return undefined;
}

function remember(memory: Step[], from: Position, to: Position): void {
  const move = to.point.slice();
  addTo(move, from.point, -1);
  const change = to.gradient.slice();
  addTo(change, from.gradient, -1);
  const curvature = dot(move, change);
  if (!(curvature > 0)) return;
  memory.push({ move, change, inverse: 1 / curvature });
  if (memory.length > MEMORY) memory.shift();
}

function directionAt(gradient: Float64Array, memory: readonly Step[]): Float64Array {
  const direction = gradient.map((value) => -value);
  const shares: number[] = [];
  for (const step of memory.toReversed()) {
    const share = step.inverse * dot(step.move, direction);
    shares.push(share);
    addTo(direction, step.change, -share);
  }
  const last = memory.at(-1);
  if (last) {
    const scale = 1 / (last.inverse * dot(last.change, last.change));
    for (let at = 0; at < direction.length; at += 1) direction[at] = (direction[at] as number) * scale;
  }
  memory.forEach((step, index) => {
    const share = shares[memory.length - 1 - index] as number;
    addTo(direction, step.move, share - step.inverse * dot(step.change, direction));
  });
  return direction;
}

function largest(values: Float64Array): number {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}

function dot(left: Float64Array, right: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < left.length; at += 1) sum += (left[at] as number) * (right[at] as number);
  return sum;
}

function addTo(target: Float64Array, source: Float64Array, factor: number): void {
  for (let at = 0; at < target.length; at += 1) target[at] = (target[at] as number) + factor * (source[at] as number);
}
