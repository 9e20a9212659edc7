import { type Frame, takeRows } from '@slipway/kernel';
import type { Objects } from '@slipway/objects';
import { ModelMetadata, openModel } from '@slipway/models';
import { type FieldSketch, sketchCodes, sketchNumbers } from '@slipway/statistics';
import { PREDICTION_FIELD, probabilityField, watchedInputs } from '@slipway/telemetry';
import { getJson, putJson } from './json-object.ts';
import type { TrainStep } from './launch-state.ts';

/** Rows that a model has learnt from, and rows that it has not. */
interface Sides {
  readonly train: { readonly frame: Frame };
  readonly test: { readonly frame: Frame };
}

/** Rows that the reference of predictions is made of. */
const PREDICTED_ROWS_LIMIT = 20_000;

/**
 * What monitors compare with, in the same fields as live calls are sketched: inputs over the training rows, predictions
 * over rows the model has not seen, so that they are no more confident than live ones. @returns the SHA-256 of the JSON.
 */
export async function referenceSketches(
  objects: Objects,
  project: string,
  state: { readonly trained: Pick<TrainStep, 'onnx' | 'metadata'>; readonly prepared: Sides; readonly classes: readonly string[] | null },
): Promise<string> {
  const metadata = await getJson(objects, project, state.trained.metadata, ModelMetadata);
  const sketches: Record<string, unknown> = {};
  for (const { name, sketch } of watchedInputs(metadata.contract)) {
    const column = state.prepared.train.frame.columns.get(name);
    if (!column) continue;
    sketches[sketch] = (column.kind === 'number' ? sketchNumbers(column.values) : sketchCodes(column.codes, column.levels)).toJson();
  }
  const predicted = await predictionSketches(await objects.localPath(project, state.trained.onnx), metadata, state.prepared);
  for (const [field, sketch] of predicted) sketches[field] = sketch.toJson();
  return putJson(objects, project, { format: 'slipway.sketches/1', fields: sketches });
}

async function predictionSketches(path: string, metadata: ModelMetadata, prepared: Sides): Promise<Map<string, FieldSketch>> {
  const { frame } = prepared.test;
  const rows = Math.min(frame.rowCount, PREDICTED_ROWS_LIMIT);
  const model = await openModel({ path, metadata, lane: 'worker' });
  try {
    const { probabilities, values, labels } = await model.predict(
      takeRows(
        frame,
        Array.from({ length: rows }, (_, row) => row),
      ),
    );
    const sketches = new Map<string, FieldSketch>();
    const { classes } = metadata;
    if (classes === null || !probabilities) {
      sketches.set(PREDICTION_FIELD, sketchNumbers(values ?? new Float64Array(0)));
      return sketches;
    }
    const codes = Int32Array.from(labels, (label) => classes.indexOf(label));
    sketches.set(PREDICTION_FIELD, sketchCodes(codes, classes));
    classes.forEach((label, code) => {
      sketches.set(
        probabilityField(label),
        sketchNumbers(Float64Array.from({ length: rows }, (_, row) => probabilities[row * classes.length + code] ?? Number.NaN)),
      );
    });
    return sketches;
  } finally {
    await model.close();
  }
}
