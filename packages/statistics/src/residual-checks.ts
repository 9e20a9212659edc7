import { chiSquareTail } from './distributions.ts';
import { RangeOfValueError, requireSameLength } from './errors.ts';
import { type Numbers, orderDescending } from './order.ts';

/** A test of what residuals should not show; small p-values say that they do. NaN where it is undefined. */
export interface ResidualTest {
  readonly statistic: number;
  readonly pValue: number;
}

export interface NormalityTest extends ResidualTest {
  readonly skewness: number;
  /** Of a normal distribution 3. */
  readonly kurtosis: number;
}

/** Jarque-Bera test that numbers are normally distributed (asymptotic). */
export function jarqueBera(values: Numbers): NormalityTest {
  const count = requireSameLength({ values });
  const mean = meanOf(values);
  let second = 0;
  let third = 0;
  let fourth = 0;
  for (let row = 0; row < count; row += 1) {
    const distance = (values[row] as number) - mean;
    const square = distance * distance;
    second += square;
    third += square * distance;
    fourth += square * square;
  }
  second /= count;
  const skewness = third / count / second ** 1.5;
  const kurtosis = fourth / count / (second * second);
  const statistic = (count / 6) * (skewness ** 2 + (kurtosis - 3) ** 2 / 4);
  return { statistic, pValue: chiSquareTail(statistic, 2), skewness, kurtosis };
}

/** Breusch-Pagan test (Koenker's form) that the size of residuals does not depend on `factor`, such as the prediction. */
export function breuschPagan(residuals: Numbers, factor: Numbers): ResidualTest {
  const count = requireSameLength({ residuals, factor });
  const squares = Float64Array.from({ length: count }, (_, row) => (residuals[row] as number) ** 2);
  const statistic = count * correlation(squares, factor) ** 2;
  return { statistic, pValue: chiSquareTail(statistic, 1) };
}

/** Ljung-Box test that residuals in time order have no autocorrelation up to `lags`. */
export function ljungBox(residuals: Numbers, lags: number): ResidualTest & { readonly autocorrelations: readonly number[] } {
  const count = requireSameLength({ residuals });
  if (!Number.isInteger(lags) || lags < 1 || lags >= count)
    throw new RangeOfValueError(`"lags" must be a whole number from 1 to ${count - 1}, got ${lags}.`);
  const mean = meanOf(residuals);
  const centred = Float64Array.from({ length: count }, (_, row) => (residuals[row] as number) - mean);
  const total = centred.reduce((sum, value) => sum + value * value, 0);
  const autocorrelations = Array.from({ length: lags }, (_, index) => {
    let sum = 0;
    for (let row = index + 1; row < count; row += 1) sum += (centred[row] as number) * (centred[row - index - 1] as number);
    return sum / total;
  });
  const statistic = count * (count + 2) * autocorrelations.reduce((sum, each, index) => sum + (each * each) / (count - index - 1), 0);
  return { statistic, pValue: chiSquareTail(statistic, lags), autocorrelations };
}

/** Durbin-Watson statistic of residuals in time order: 2 without autocorrelation, near 0 when neighbours are alike. */
export function durbinWatson(residuals: Numbers): number {
  const count = requireSameLength({ residuals });
  let steps = 0;
  let total = 0;
  for (let row = 0; row < count; row += 1) {
    const value = residuals[row] as number;
    total += value * value;
    if (row > 0) steps += (value - (residuals[row - 1] as number)) ** 2;
  }
  return steps / total;
}

/** Residuals (truth minus prediction) of rows whose predictions are neighbours. */
export interface ResidualBin {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  readonly meanPredicted: number;
  readonly meanTruth: number;
  readonly meanResidual: number;
  /** Root mean square of the residuals. */
  readonly rmse: number;
}

/** Residuals by parts of about equal size in the order of the prediction; a part of none is left out. */
export function residualBins(predicted: Numbers, truth: Numbers, binCount = 10): ResidualBin[] {
  const count = requireSameLength({ predicted, truth });
  const order = orderDescending(predicted).toReversed();
  return Array.from({ length: binCount }, (_, bin) =>
    order.subarray(Math.floor((bin * count) / binCount), Math.floor(((bin + 1) * count) / binCount)),
  )
    .filter((rows) => rows.length > 0)
    .map((rows) => binOf(rows, predicted, truth));
}

function binOf(rows: Uint32Array, predicted: Numbers, truth: Numbers): ResidualBin {
  let said = 0;
  let seen = 0;
  let squares = 0;
  for (const row of rows) {
    const p = predicted[row] as number;
    const y = truth[row] as number;
    said += p;
    seen += y;
    squares += (y - p) ** 2;
  }
  const count = rows.length;
  return {
    from: predicted[rows[0] as number] as number,
    to: predicted[rows[count - 1] as number] as number,
    rows: count,
    meanPredicted: said / count,
    meanTruth: seen / count,
    meanResidual: (seen - said) / count,
    rmse: Math.sqrt(squares / count),
  };
}

function meanOf(values: Numbers): number {
  let mean = 0;
  for (let row = 0; row < values.length; row += 1) mean += ((values[row] as number) - mean) / (row + 1);
  return mean;
}

/** Pearson's correlation; NaN when one side is constant. */
function correlation(first: Numbers, second: Numbers): number {
  const meanFirst = meanOf(first);
  const meanSecond = meanOf(second);
  let product = 0;
  let squareFirst = 0;
  let squareSecond = 0;
  for (let row = 0; row < first.length; row += 1) {
    const x = (first[row] as number) - meanFirst;
    const y = (second[row] as number) - meanSecond;
    product += x * y;
    squareFirst += x * x;
    squareSecond += y * y;
  }
  return product / Math.sqrt(squareFirst * squareSecond);
}
