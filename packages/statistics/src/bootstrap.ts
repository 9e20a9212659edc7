import { RangeOfValueError, ShapeError } from './errors.ts';
import { quantile } from './quantile.ts';
import { type Random, createRandom } from './random.ts';

export const RESAMPLES_DEFAULT = 1_000;
const RESAMPLES_LIMIT = 100_000;
export const LEVEL_DEFAULT = 0.95;

/** A number with its bootstrap percentile interval. NaN bounds: the statistic was undefined in most resamples. */
export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Statistics of one table that can be evaluated for any resample from how often each row was drawn. What can be done
 * once (sorting, per-row losses) is done when the plan is made, so a resample costs O(n).
 */
export interface ResamplePlan {
  readonly rowCount: number;
  readonly names: readonly string[];
  /** Writes the statistics, in the order of `names`; NaN where one is undefined for these counts. */
  evaluate(counts: Uint16Array, out: Float64Array): void;
}

export interface BootstrapOptions {
  readonly seed: number | string;
  readonly resamples?: number;
  /** Coverage of the interval, 0.95 by default. */
  readonly level?: number;
}

/**
 * Percentile bootstrap of one or two plans over the same rows, in slices, so that a caller may breathe between them.
 * Draws are multinomial counts, exactly the bootstrap with replacement; both plans see the same draws, which makes
 * differences paired. Source: Efron & Tibshirani 1993, chapter 13.
 */
export class Bootstrap {
  readonly #plans: readonly ResamplePlan[];
  readonly #random: Random;
  readonly #resamples: number;
  readonly #level: number;
  readonly #counts: Uint16Array;
  readonly #values: Float64Array[];
  /** One row of statistics a resample, plan by plan. */
  readonly #samples: Float64Array[];
  #done = 0;

  constructor(plans: readonly ResamplePlan[], options: BootstrapOptions) {
    const rowCount = plans[0]?.rowCount ?? 0;
    if (rowCount === 0 || plans.some((plan) => plan.rowCount !== rowCount)) {
      throw new ShapeError('A bootstrap needs plans over the same rows, at least one row.');
    }
    this.#resamples = options.resamples ?? RESAMPLES_DEFAULT;
    if (!Number.isInteger(this.#resamples) || this.#resamples < 1 || this.#resamples > RESAMPLES_LIMIT) {
      throw new RangeOfValueError(`"resamples" must be a whole number from 1 to ${RESAMPLES_LIMIT}, got ${this.#resamples}.`);
    }
    this.#level = options.level ?? LEVEL_DEFAULT;
    if (!(this.#level > 0 && this.#level < 1)) throw new RangeOfValueError(`"level" must lie between 0 and 1, got ${this.#level}.`);
    this.#plans = plans;
    this.#random = createRandom(options.seed);
    this.#counts = new Uint16Array(rowCount).fill(1);
    this.#values = plans.map((plan) => this.#evaluate(plan));
    this.#samples = plans.map((plan) => new Float64Array(this.#resamples * plan.names.length));
  }

  #evaluate(plan: ResamplePlan): Float64Array {
    const out = new Float64Array(plan.names.length);
    plan.evaluate(this.#counts, out);
    return out;
  }

  get done(): number {
    return this.#done;
  }

  /** Draws up to `count` more resamples. @returns false when none are left to draw. */
  advance(count: number): boolean {
    const until = Math.min(this.#resamples, this.#done + count);
    for (; this.#done < until; this.#done += 1) {
      this.#random.resample(this.#counts);
      this.#plans.forEach((plan, index) => {
        const width = plan.names.length;
        const samples = this.#samples[index] as Float64Array;
        plan.evaluate(this.#counts, samples.subarray(this.#done * width, (this.#done + 1) * width));
      });
    }
    return this.#done < this.#resamples;
  }

  /** Interval of a statistic of the first (or another) plan; the value is that of the rows as they are. */
  interval(name: string, plan = 0): Interval {
    const column = this.#column(name, plan);
    return this.#intervalOf((this.#values[plan] as Float64Array)[column.index] as number, column.samples);
  }

  /** Interval of (first plan - second plan) of a statistic, paired row by row. */
  difference(name: string): Interval {
    const first = this.#column(name, 0);
    const second = this.#column(name, 1);
    const value = ((this.#values[0] as Float64Array)[first.index] as number) - ((this.#values[1] as Float64Array)[second.index] as number);
    return this.#intervalOf(
      value,
      first.samples.map((sample, index) => sample - (second.samples[index] as number)),
    );
  }

  #column(name: string, plan: number): { index: number; samples: Float64Array } {
    const names = this.#plans[plan]?.names ?? [];
    const index = names.indexOf(name);
    if (index < 0) throw new RangeOfValueError(`There is no statistic "${name}"; there are ${names.join(', ')}.`);
    const all = this.#samples[plan] as Float64Array;
    const samples = Float64Array.from({ length: this.#done }, (_, row) => all[row * names.length + index] as number);
    return { index, samples };
  }

  #intervalOf(value: number, samples: Float64Array): Interval {
    const defined = samples.filter((sample) => !Number.isNaN(sample)).toSorted();
    if (defined.length * 2 <= samples.length) return { value, low: Number.NaN, high: Number.NaN };
    const tail = (1 - this.#level) / 2;
    return { value, low: quantile(defined, tail), high: quantile(defined, 1 - tail) };
  }
}

/** Intervals of every statistic of a plan. Resamples in which a statistic is undefined do not count for it. */
export function bootstrapPlan(plan: ResamplePlan, options: BootstrapOptions): Record<string, Interval> {
  const bootstrap = new Bootstrap([plan], options);
  bootstrap.advance(RESAMPLES_LIMIT);
  return Object.fromEntries(plan.names.map((name) => [name, bootstrap.interval(name)]));
}

/** Interval of how much higher a statistic is for the first predictor than for the second, on the same rows and draws. */
export function bootstrapDifference(
  plans: { readonly first: ResamplePlan; readonly second: ResamplePlan; readonly name: string },
  options: BootstrapOptions,
): Interval {
  const bootstrap = new Bootstrap([plans.first, plans.second], options);
  bootstrap.advance(RESAMPLES_LIMIT);
  return bootstrap.difference(plans.name);
}

/**
 * Percentile bootstrap of any statistic, at the price of evaluating it on explicit row positions.
 * @param options.n rows.  @param options.statistic gets n positions drawn with replacement (a buffer that is reused).
 */
export function bootstrapInterval(
  options: BootstrapOptions & { readonly n: number; readonly statistic: (indices: Int32Array) => number },
): Interval {
  const indices = new Int32Array(options.n);
  const plan: ResamplePlan = {
    rowCount: options.n,
    names: ['statistic'],
    evaluate(counts, out) {
      let at = 0;
      for (let row = 0; row < counts.length; row += 1) {
        for (let copy = counts[row] as number; copy > 0; copy -= 1) indices[at++] = row;
      }
      out[0] = options.statistic(indices);
    },
  };
  return bootstrapPlan(plan, options)['statistic'] as Interval;
}
