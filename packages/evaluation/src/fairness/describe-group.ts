import { calibrationBins } from '../curves.ts';
import { meanInterval, wilsonInterval } from '../slices/tests-of-means.ts';
import { ratesOf, countCells } from './cells.ts';
import { type FairnessGroup, type FairEstimate, SMALL_GROUP_ROWS } from './contract.ts';
import type { MeasureInputs } from './group-measures.ts';

type GroupNames = Pick<FairnessGroup, 'label' | 'conditions'>;

const NOTHING = {
  baseRate: null,
  selectionRate: null,
  truePositiveRate: null,
  falsePositiveRate: null,
  falseNegativeRate: null,
  trueNegativeRate: null,
  positivePredictiveValue: null,
  accuracy: null,
  meanPrediction: null,
  meanTruth: null,
  meanError: null,
  classRates: null,
  mae: null,
  rmse: null,
  calibrationError: null,
  calibration: null,
} as const;

/** Everything about the rows of one group. */
export function describeGroup(names: GroupNames, inputs: MeasureInputs, rows: Int32Array, rowCount: number): FairnessGroup {
  const common = { ...NOTHING, ...names, rows: rows.length, share: rows.length / rowCount, small: rows.length < SMALL_GROUP_ROWS };
  if (inputs.decisions !== null)
    return { ...common, ...means(inputs, rows), ...decided(inputs, inputs.decisions, rows), ...calibrated(inputs, rows) };
  if (inputs.decided !== null) return { ...common, ...classified(inputs, inputs.decided, rows) };
  return { ...common, ...means(inputs, rows), ...errors(inputs, rows) };
}

function decided({ facts }: MeasureInputs, decisions: Uint8Array, rows: Int32Array) {
  const labels = rows.map((row) => (facts.truth as Float64Array)[row] as number);
  const { tp, fp, fn, tn } = ratesOf(
    countCells(
      new Int32Array(rows.length),
      1,
      labels,
      rows.map((row) => decisions[row] as number),
    ),
    0,
  );
  return {
    baseRate: (tp + fn) / rows.length,
    selectionRate: wilsonInterval(tp + fp, rows.length),
    truePositiveRate: wilsonInterval(tp, tp + fn),
    falsePositiveRate: wilsonInterval(fp, fp + tn),
    falseNegativeRate: wilsonInterval(fn, tp + fn),
    trueNegativeRate: wilsonInterval(tn, fp + tn),
    positivePredictiveValue: wilsonInterval(tp, tp + fp),
    accuracy: wilsonInterval(tp + tn, rows.length),
  };
}

function calibrated({ facts }: MeasureInputs, rows: Int32Array): Pick<FairnessGroup, 'calibration' | 'calibrationError'> {
  const said = Float64Array.from(rows, (row) => (facts.said as Float64Array)[row] as number);
  const labels = Uint8Array.from(rows, (row) => (facts.truth as Float64Array)[row] as number);
  const bins = calibrationBins(said, labels);
  const distance = bins.reduce((sum, bin) => sum + bin.rows * Math.abs(bin.meanProbability - bin.observedRatio), 0);
  return {
    calibration: bins.map(({ from, to, rows: count, meanProbability, observedRatio }) => ({
      from,
      to,
      rows: count,
      meanProbability,
      observedRatio,
    })),
    calibrationError: distance / rows.length,
  };
}

function classified({ facts, data }: MeasureInputs, decidedClasses: Int32Array, rows: Int32Array) {
  const counts = new Float64Array(data.classes?.length ?? 0);
  let right = 0;
  for (const row of rows) {
    const code = decidedClasses[row] as number;
    counts[code] = (counts[code] as number) + 1;
    right += (facts.right as Uint8Array)[row] as number;
  }
  return { accuracy: wilsonInterval(right, rows.length), classRates: Array.from(counts, (count) => count / rows.length) };
}

function means({ facts }: MeasureInputs, rows: Int32Array) {
  const [said, truth] = [facts.said as Float64Array, facts.truth as Float64Array];
  return {
    meanPrediction: mean(rows, (row) => said[row] as number).value,
    meanTruth: mean(rows, (row) => truth[row] as number).value,
    meanError: mean(rows, (row) => (said[row] as number) - (truth[row] as number)),
  };
}

function errors({ facts }: MeasureInputs, rows: Int32Array) {
  const [said, truth] = [facts.said as Float64Array, facts.truth as Float64Array];
  const error = (row: number) => (said[row] as number) - (truth[row] as number);
  return { mae: mean(rows, (row) => Math.abs(error(row))), rmse: Math.sqrt(mean(rows, (row) => error(row) ** 2).value ?? Number.NaN) };
}

function mean(rows: Int32Array, value: (row: number) => number): FairEstimate {
  let sum = 0;
  let squares = 0;
  for (const row of rows) {
    const number = value(row);
    sum += number;
    squares += number * number;
  }
  return meanInterval({ count: rows.length, sum, squares });
}
