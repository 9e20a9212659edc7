import type { RowFacts } from '../slices/row-losses.ts';
import type { TaskData } from '../inputs.ts';
import { type UndefinedRates, countCells, decisionDisparities, emptyCells, spread } from './cells.ts';
import type { FairnessMeasure } from './contract.ts';

export type Disparities = Partial<Record<FairnessMeasure, number>>;

/** Disparities of one attribute for any weighting of the rows, so that a bootstrap needs one pass a resample. */
export interface GroupMeasures {
  /** `counts`: how often each row was drawn; each once when left out. */
  disparities(counts: Uint16Array | null, groups: readonly number[], undefinedRates: UndefinedRates): Disparities;
}

export interface MeasureInputs {
  readonly codes: Int32Array;
  readonly groupCount: number;
  readonly facts: RowFacts;
  readonly data: TaskData;
  /** 0 or 1, binary only. */
  readonly decisions: Uint8Array | null;
  /** Decided class of each row, several classes only. */
  readonly decided: Int32Array | null;
}

export function groupMeasures(inputs: MeasureInputs): GroupMeasures {
  if (inputs.decisions !== null) return binaryMeasures(inputs, inputs.decisions);
  return inputs.decided !== null ? classMeasures(inputs, inputs.decided) : numberMeasures(inputs);
}

function binaryMeasures({ codes, groupCount, facts }: MeasureInputs, decisions: Uint8Array): GroupMeasures {
  const said = facts.said as Float64Array;
  const truth = facts.truth as Float64Array;
  return {
    disparities(counts, groups, undefinedRates) {
      const cells =
        counts === null ? countCells(codes, groupCount, truth, decisions) : weightedCells(codes, groupCount, truth, decisions, counts);
      const errors = meansOf(codes, groupCount, counts, (row) => (said[row] as number) - (truth[row] as number));
      const means = meansOf(codes, groupCount, counts, (row) => said[row] as number);
      return {
        ...decisionDisparities(cells, groups, undefinedRates),
        calibration_difference: spreadAt(errors, groups).difference,
        mean_prediction_difference: spreadAt(means, groups).difference,
        mean_prediction_ratio: spreadAt(means, groups).ratio,
      };
    },
  };
}

function weightedCells(codes: Int32Array, groupCount: number, labels: Float64Array, decisions: Uint8Array, counts: Uint16Array) {
  const cells = emptyCells(groupCount);
  const kinds = [cells.trueNegative, cells.falsePositive, cells.falseNegative, cells.truePositive];
  for (let row = 0; row < codes.length; row += 1) {
    const group = codes[row] as number;
    if (group < 0) continue;
    const kind = kinds[2 * (labels[row] as number) + (decisions[row] as number)] as Float64Array;
    kind[group] = (kind[group] as number) + (counts[row] as number);
  }
  return cells;
}

function classMeasures({ codes, groupCount, facts, data }: MeasureInputs, decided: Int32Array): GroupMeasures {
  const right = facts.right as Uint8Array;
  const classCount = data.classes?.length ?? 0;
  return {
    disparities(counts, groups) {
      const accuracy = spreadAt(
        meansOf(codes, groupCount, counts, (row) => right[row] as number),
        groups,
      );
      const rates = Array.from({ length: classCount }, (_, code) =>
        spreadAt(
          meansOf(codes, groupCount, counts, (row) => (decided[row] === code ? 1 : 0)),
          groups,
        ),
      );
      return {
        demographic_parity_difference: Math.max(...rates.map((rate) => rate.difference)),
        demographic_parity_ratio: Math.min(...rates.map((rate) => rate.ratio).filter((ratio) => !Number.isNaN(ratio))),
        accuracy_difference: accuracy.difference,
        accuracy_ratio: accuracy.ratio,
      };
    },
  };
}

function numberMeasures({ codes, groupCount, facts }: MeasureInputs): GroupMeasures {
  const said = facts.said as Float64Array;
  const truth = facts.truth as Float64Array;
  const error = (row: number) => (said[row] as number) - (truth[row] as number);
  return {
    disparities(counts, groups) {
      const of = (value: (row: number) => number) => spreadAt(meansOf(codes, groupCount, counts, value), groups);
      const prediction = of((row) => said[row] as number);
      const mae = of((row) => Math.abs(error(row)));
      const rmse = spreadAt(meansOf(codes, groupCount, counts, (row) => error(row) ** 2).map(Math.sqrt), groups);
      return {
        mean_prediction_difference: prediction.difference,
        mean_prediction_ratio: prediction.ratio,
        mean_error_difference: of(error).difference,
        mae_difference: mae.difference,
        mae_ratio: mae.ratio,
        rmse_difference: rmse.difference,
        rmse_ratio: rmse.ratio,
      };
    },
  };
}

function meansOf(codes: Int32Array, groupCount: number, counts: Uint16Array | null, value: (row: number) => number): Float64Array {
  const sums = new Float64Array(groupCount);
  const rows = new Float64Array(groupCount);
  for (let row = 0; row < codes.length; row += 1) {
    const group = codes[row] as number;
    const count = counts === null ? 1 : (counts[row] as number);
    if (group < 0 || count === 0) continue;
    rows[group] = (rows[group] as number) + count;
    sums[group] = (sums[group] as number) + count * value(row);
  }
  return sums.map((sum, group) => sum / (rows[group] as number));
}

function spreadAt(values: Float64Array, groups: readonly number[]): { difference: number; ratio: number } {
  return spread(groups.map((group) => values[group] as number).filter((value) => !Number.isNaN(value)));
}
