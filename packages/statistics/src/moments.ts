/**
 * Count, mean, spread and range of numbers, updatable one by one and mergeable (Welford; Chan, Golub & LeVeque).
 * Squares of values beyond 1e154 overflow; they saturate at the largest double, so that a moment is always a number.
 */
export class Moments {
  count = 0;
  mean = 0;
  /** Sum of squared distances from the mean. */
  squares = 0;
  minimum = Number.POSITIVE_INFINITY;
  maximum = Number.NEGATIVE_INFINITY;

  /** Counts a finite number, `times` times. */
  add(value: number, times = 1): void {
    this.count += times;
    const step = saturate(value - this.mean);
    this.mean += step * (times / this.count);
    this.squares = saturate(this.squares + times * step * (value - this.mean));
    if (value < this.minimum) this.minimum = value;
    if (value > this.maximum) this.maximum = value;
  }

  /** Counts many finite numbers, in two passes over them. */
  addMany(values: Float64Array): void {
    if (values.length === 0) return;
    let sum = 0;
    let minimum = values[0] as number;
    let maximum = minimum;
    for (let index = 0; index < values.length; index += 1) {
      const value = values[index] as number;
      sum += value;
      if (value < minimum) minimum = value;
      if (value > maximum) maximum = value;
    }
    const part = new Moments();
    part.mean = sum / values.length;
    for (let index = 0; index < values.length; index += 1) {
      const step = (values[index] as number) - part.mean;
      part.squares += step * step;
    }
    if (!Number.isFinite(part.squares)) return values.forEach((value) => this.add(value));
    Object.assign(part, { count: values.length, minimum: minimum + 0, maximum: maximum + 0 });
    this.merge(part);
  }

  merge(other: Moments): void {
    if (other.count === 0) return;
    const total = this.count + other.count;
    const step = saturate(other.mean - this.mean);
    this.mean += step * (other.count / total);
    this.squares = saturate(this.squares + other.squares + step * step * this.count * (other.count / total));
    this.count = total;
    this.minimum = Math.min(this.minimum, other.minimum);
    this.maximum = Math.max(this.maximum, other.maximum);
  }

  /** Sample variance (divided by n - 1); NaN below two values. */
  get variance(): number {
    return this.count < 2 ? Number.NaN : this.squares / (this.count - 1);
  }
}

function saturate(value: number): number {
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, value));
}

/** Mean of the numbers; NaN of none. */
export function mean(values: ArrayLike<number>): number {
  return values.length === 0 ? Number.NaN : momentsOf(values).mean;
}

/** Sample variance (divided by n - 1); NaN below two values. */
export function variance(values: ArrayLike<number>): number {
  return momentsOf(values).variance;
}

function momentsOf(values: ArrayLike<number>): Moments {
  const moments = new Moments();
  for (let index = 0; index < values.length; index += 1) moments.add(values[index] as number);
  return moments;
}
