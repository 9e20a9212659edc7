import type { AnswerColumn, Answers } from '@slipway/data';
import { type Contract, type Frame, cell } from '@slipway/kernel';
import { type ModelMetadata, type OnnxModel, type Predictions, thresholdOf } from '@slipway/models';

/** Classes whose probabilities get a column each; of more, only that of the predicted one is written. */
export const PROBABILITY_COLUMNS_LIMIT = 100;

/** Answers a piece of a table exactly as calls of the release would be answered, thresholds included. */
export async function answerFrame(model: OnnxModel, frame: Frame): Promise<Answers> {
  const predictions = await model.predict(frame);
  const { classes } = model.metadata;
  if (classes === null || !predictions.probabilities) return numbers(predictions);
  return labels(model.metadata, predictions, frame);
}

function numbers({ rowCount, values }: Predictions): Answers {
  const failed = new Uint8Array(rowCount);
  const prediction = values ?? new Float64Array(rowCount).fill(Number.NaN);
  for (let row = 0; row < rowCount; row += 1) if (!Number.isFinite(prediction[row])) failed[row] = 1;
  return { columns: [{ name: 'prediction', kind: 'number', values: prediction }], failed };
}

function labels(metadata: ModelMetadata, predictions: Predictions, frame: Frame): Answers {
  const classes = metadata.classes ?? [];
  const width = classes.length;
  const { rowCount } = predictions;
  const probabilities = predictions.probabilities ?? new Float32Array(0);
  const failed = new Uint8Array(rowCount);
  const codeOf = new Map(classes.map((label, code) => [label, code]));
  const codes = new Int32Array(rowCount);
  // Loops: what takes a function for each row costs several times as much, over millions of rows.
  for (let row = 0; row < rowCount; row += 1) {
    codes[row] = codeOf.get(predictions.labels[row] as string) ?? 0;
    for (let at = row * width; at < (row + 1) * width; at += 1) if (!Number.isFinite(probabilities[at])) failed[row] = 1;
  }
  applyGroups(metadata, { probabilities, codes, frame });
  const prediction: AnswerColumn = { name: 'prediction', kind: 'text', codes, levels: classes };
  if (width > PROBABILITY_COLUMNS_LIMIT) {
    const own = Float64Array.from(codes, (code, row) => probabilities[row * width + code] as number);
    return { columns: [prediction, { name: 'probability', kind: 'number', values: own }], failed };
  }
  const names = columnNames(classes);
  const shares = classes.map((_, code): AnswerColumn => {
    const values = new Float64Array(rowCount);
    for (let row = 0; row < rowCount; row += 1) values[row] = probabilities[row * width + code] as number;
    return { name: names[code] as string, kind: 'number', values };
  });
  return { columns: [prediction, ...shares], failed };
}

/** Names of the columns of probabilities; labels that differ by case only are numbered, since column names do not tell case apart. */
export function columnNames(classes: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return classes.map((label) => {
    const key = label.toLowerCase();
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    return `probability_${label}${count > 1 ? `_${count}` : ''}`;
  });
}

interface Decisions {
  readonly probabilities: Float32Array;
  readonly codes: Int32Array;
  readonly frame: Frame;
}

/** Rows of a group that has a threshold of its own are decided by it. */
function applyGroups({ groupThresholds, classes, contract }: ModelMetadata, { probabilities, codes, frame }: Decisions): void {
  if (groupThresholds === undefined || classes?.length !== 2) return;
  const booleans = booleanFields(contract);
  for (let row = 0; row < codes.length; row += 1) {
    const threshold = thresholdOf(groupThresholds, (name) => {
      const column = frame.columns.get(name);
      if (!column) return undefined;
      const value = cell(column, row);
      return booleans.has(name) && value !== null ? value === 1 : value;
    });
    if (threshold !== undefined) codes[row] = (probabilities[2 * row + 1] as number) >= threshold ? 1 : 0;
  }
}

function booleanFields({ fields }: Contract): ReadonlySet<string> {
  return new Set(fields.filter((field) => field.type === 'boolean').map((field) => field.name));
}
