/** Count, sum and sum of squares of one group of numbers. */
export interface Sums {
  readonly count: number;
  readonly sum: number;
  readonly squares: number;
}

export const meanOf = ({ count, sum }: Sums): number => sum / count;

/** Unbiased variance; 0 for a single number. */
export function varianceOf({ count, sum, squares }: Sums): number {
  return count < 2 ? 0 : Math.max(0, squares - (sum * sum) / count) / (count - 1);
}

export const minusSums = (left: Sums, right: Sums): Sums => ({
  count: left.count - right.count,
  sum: left.sum - right.sum,
  squares: left.squares - right.squares,
});

export interface MeanTest {
  readonly statistic: number;
  readonly degreesOfFreedom: number;
  /** One-sided: how likely so much more would be by chance. */
  readonly pGreater: number;
  readonly pTwoSided: number;
}

/** Whether the mean of `left` is greater than that of `right`, variances unequal. Source: Welch 1947. NaN below two numbers a side. */
export function welchTest(left: Sums, right: Sums): MeanTest {
  const a = varianceOf(left) / left.count;
  const b = varianceOf(right) / right.count;
  if (left.count < 2 || right.count < 2) return testOf(Number.NaN, Number.NaN);
  const difference = meanOf(left) - meanOf(right);
  if (a + b === 0) return testOf(difference === 0 ? 0 : Math.sign(difference) * Number.POSITIVE_INFINITY, left.count + right.count - 2);
  return testOf(difference / Math.sqrt(a + b), (a + b) ** 2 / (a ** 2 / (left.count - 1) + b ** 2 / (right.count - 1)));
}

/** Whether a mean differs from zero. */
export function oneSampleTest(sums: Sums): MeanTest {
  if (sums.count < 2) return testOf(Number.NaN, Number.NaN);
  const error = Math.sqrt(varianceOf(sums) / sums.count);
  const mean = meanOf(sums);
  return testOf(error === 0 ? (mean === 0 ? 0 : Math.sign(mean) * Number.POSITIVE_INFINITY) : mean / error, sums.count - 1);
}

function testOf(statistic: number, degreesOfFreedom: number): MeanTest {
  const tail = studentTail(Math.abs(statistic), degreesOfFreedom);
  return { statistic, degreesOfFreedom, pGreater: statistic >= 0 ? tail : 1 - tail, pTwoSided: Math.min(1, 2 * tail) };
}

/** P(T > t) of Student's distribution for t >= 0. */
export function studentTail(t: number, degreesOfFreedom: number): number {
  if (Number.isNaN(t) || Number.isNaN(degreesOfFreedom)) return Number.NaN;
  if (t === Number.POSITIVE_INFINITY) return 0;
  return incompleteBeta(degreesOfFreedom / (degreesOfFreedom + t * t), degreesOfFreedom / 2, 0.5) / 2;
}

/** t with P(T > t) = tail, 0 < tail <= 0.5, by bisection. */
export function studentQuantile(tail: number, degreesOfFreedom: number): number {
  let low = 0;
  let high = 1;
  while (studentTail(high, degreesOfFreedom) > tail && high < 1e8) high *= 2;
  for (let step = 0; step < 80; step += 1) {
    const middle = (low + high) / 2;
    if (studentTail(middle, degreesOfFreedom) > tail) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Mean with its 95 % Student interval; null bounds for a single number. */
export function meanInterval(sums: Sums, level = 0.95): { value: number; low: number | null; high: number | null } {
  const value = meanOf(sums);
  if (sums.count < 2) return { value, low: null, high: null };
  const half = studentQuantile((1 - level) / 2, sums.count - 1) * Math.sqrt(varianceOf(sums) / sums.count);
  return { value, low: value - half, high: value + half };
}

const FRACTION_STEPS = 500;
const TINY = 1e-300;

/** Regularised incomplete beta function by Lentz's continued fraction. Source: Numerical Recipes, section 6.4. */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return x < (a + 1) / (a + b + 2) ? (front * betaFraction(x, a, b)) / a : 1 - (front * betaFraction(1 - x, b, a)) / b;
}

function betaFraction(x: number, a: number, b: number): number {
  const away = (value: number) => (Math.abs(value) < TINY ? TINY : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let result = d;
  for (let m = 1; m <= FRACTION_STEPS; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    result *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    const change = d * c;
    result *= change;
    if (Math.abs(change - 1) < 1e-15) break;
  }
  return result;
}

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
] as const;

/** Source: Lanczos 1964, g = 7. */
function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const base = x + 6.5;
  const series = LANCZOS.reduce((sum, coefficient, index) => sum + (index === 0 ? coefficient : coefficient / (x - 1 + index)), 0);
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(base) - base + Math.log(series);
}

/** Adjusted p-values that bound the share of false finds. Source: Benjamini & Hochberg 1995. NaN stays NaN and is not counted. */
export function benjaminiHochberg(pValues: Float64Array): Float64Array {
  const adjusted = new Float64Array(pValues.length).fill(Number.NaN);
  const order = Array.from(pValues.keys())
    .filter((index) => !Number.isNaN(pValues[index]))
    .toSorted((left, right) => (pValues[left] as number) - (pValues[right] as number));
  let least = 1;
  for (let rank = order.length; rank >= 1; rank -= 1) {
    const index = order[rank - 1] as number;
    least = Math.min(least, ((pValues[index] as number) * order.length) / rank);
    adjusted[index] = least;
  }
  return adjusted;
}

/** Interval of a share that holds for small counts and shares near 0 and 1. Source: Wilson 1927. Null bounds without trials. */
export function wilsonInterval(
  successes: number,
  trials: number,
  z = 1.959963984540054,
): { value: number | null; low: number | null; high: number | null } {
  if (trials === 0) return { value: null, low: null, high: null };
  const share = successes / trials;
  const scale = 1 + (z * z) / trials;
  const centre = (share + (z * z) / (2 * trials)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials));
  return {
    value: share,
    low: successes === 0 ? 0 : Math.max(0, centre - half),
    high: successes === trials ? 1 : Math.min(1, centre + half),
  };
}
