import { type Contract, type Frame, takeRows } from '@slipway/kernel';
import type { Objects } from '@slipway/objects';
import { ModelMetadata, openModel } from '@slipway/models';
import { type QualityReference, learnCalibration, learnLosses } from '@slipway/monitoring';
import { type FieldSketch, sketchCodes, sketchNumbers } from '@slipway/statistics';
import { PREDICTION_FIELD, probabilityField, watchedInputs } from '@slipway/telemetry';
import { getJson, putJson } from './json-object.ts';
import type { TrainStep } from './launch-state.ts';

/** Rows that a model has learnt from, and rows that it has not. */
interface Sides {
  readonly train: { readonly frame: Frame };
  /** `target`: classes by their number, or values; without it quality is not estimated. */
  readonly test: { readonly frame: Frame; readonly target?: Float64Array };
}

/** Rows that the reference of predictions is made of. */
export const PREDICTED_ROWS_LIMIT = 20_000;

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
  const sketches = inputSketches(metadata.contract, state.prepared.train.frame);
  const { sketches: predicted, quality } = await predictionSketches(
    await objects.localPath(project, state.trained.onnx),
    metadata,
    state.prepared,
  );
  for (const [field, sketch] of predicted) sketches[field] = sketch.toJson();
  return putJson(objects, project, { format: 'slipway.sketches/1', fields: sketches, ...(quality ? { quality } : {}) });
}

/** The inputs of training rows in the fields that live calls are sketched in, as plain JSON. */
export function inputSketches(contract: Contract, frame: Frame): Record<string, unknown> {
  const sketches: Record<string, unknown> = {};
  for (const { name, sketch } of watchedInputs(contract)) {
    const column = frame.columns.get(name);
    if (!column) continue;
    sketches[sketch] = (column.kind === 'number' ? sketchNumbers(column.values) : sketchCodes(column.codes, column.levels)).toJson();
  }
  return sketches;
}

async function predictionSketches(
  path: string,
  metadata: ModelMetadata,
  prepared: Sides,
): Promise<{ sketches: Map<string, FieldSketch>; quality: QualityReference | undefined }> {
  const { frame, target } = prepared.test;
  const rows = Math.min(frame.rowCount, PREDICTED_ROWS_LIMIT);
  const model = await openModel({ path, metadata, lane: 'worker' });
  try {
    const looked = takeRows(
      frame,
      Array.from({ length: rows }, (_, row) => row),
    );
    const { probabilities, values, labels } = await model.predict(looked);
    const truth = target?.subarray(0, rows);
    const sketches = new Map<string, FieldSketch>();
    const { classes } = metadata;
    if (classes === null || !probabilities) {
      sketches.set(PREDICTION_FIELD, sketchNumbers(values ?? new Float64Array(0)));
      const names = watchedInputs(metadata.contract).map((each) => each.name);
      const quality = truth && values && metadata.task === 'regression' ? await learnLosses(looked, names, values, truth) : undefined;
      return { sketches, quality };
    }
    const codes = Int32Array.from(labels, (label) => classes.indexOf(label));
    sketches.set(PREDICTION_FIELD, sketchCodes(codes, classes));
    classes.forEach((label, code) => {
      sketches.set(
        probabilityField(label),
        sketchNumbers(Float64Array.from({ length: rows }, (_, row) => probabilities[row * classes.length + code] ?? Number.NaN)),
      );
    });
    return { sketches, quality: truth && learnCalibration(classes, probabilities, truth) };
  } finally {
    await model.close();
  }
}
