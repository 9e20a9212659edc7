import { GraphBuilder, ML_DOMAIN } from '@slipway/models';
import type { FittedModel, Predictor } from '../fitted-model.ts';
import { exportCalibration } from './export-calibration.ts';
import { exportForest } from './export-trees.ts';
import { exportLinear } from './export-linear.ts';
import { exportPreparation, FLOAT } from './export-preparation.ts';

/** `ai.onnx.ml` 5 brings TreeEnsemble, the one operator with double sums and category sets. */
const ML_OPSET = 5;

/**
 * The whole model as one ONNX graph: one input [N, 1] per used field (double with NaN, int64 milliseconds with
 * INT64_MIN, string with "" for missing; named by `inputNameOf`), outputs `features` float [N, F] and either `probabilities` float [N, K] with
 * `prediction` string [N], or `prediction` double [N, 1]. Equal models give equal bytes.
 */
export function exportModel(model: FittedModel, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const graph = new GraphBuilder('slipway');
  const features = exportPreparation(graph, model.preparation);
  graph.output(features, 'float', ['N', model.preparation.features.length]);
  const margins = exportCalibration(graph, model.calibration, exportPredictor(graph, model.predictor, features));
  if (model.classes) exportClasses(graph, margins, model.task === 'binary', model.classes);
  else exportNumber(graph, margins, model);
  return graph.build({ mlOpset: ML_OPSET, metadata });
}

/** Adds a predictor over `features`; an ensemble's members each and their weighted sum. @returns margins, double [N, outputs]. */
function exportPredictor(graph: GraphBuilder, predictor: Predictor, features: string): string {
  if (predictor.kind === 'trees') return exportForest(graph, predictor.forest, features);
  if (predictor.kind === 'linear') return exportLinear(graph, predictor.linear, features);
  return predictor.members
    .map((member) => {
      const margins = exportPredictor(graph, member.predictor, features);
      return graph.op('Mul', [margins, graph.constant(Float64Array.of(member.weight), [1])]);
    })
    .reduce((sum, part) => graph.op('Add', [sum, part]));
}

function exportClasses(graph: GraphBuilder, margins: string, isBinary: boolean, classes: readonly string[]): void {
  let shares: string;
  if (isBinary) {
    const positive = graph.op('Sigmoid', [margins]);
    const one = graph.constant(Float64Array.of(1), [1]);
    shares = graph.op('Concat', [graph.op('Sub', [one, positive]), positive], { axis: 1 });
  } else shares = graph.op('Softmax', [margins], { axis: 1 });
  const probabilities = graph.op('Cast', [shares], { to: FLOAT }, { output: 'probabilities' });
  const best = graph.op('ArgMax', [probabilities], { axis: 1, keepdims: 0, select_last_index: 0 });
  graph.op(
    'LabelEncoder',
    [best],
    { keys_int64s: classes.map((_, index) => index), values_strings: classes, default_string: '' },
    { domain: ML_DOMAIN, output: 'prediction' },
  );
  graph.output('probabilities', 'float', ['N', classes.length]);
  graph.output('prediction', 'string', ['N']);
}

function exportNumber(graph: GraphBuilder, margins: string, { link, scale }: FittedModel): void {
  if (link === 'log') graph.op('Exp', [margins], {}, { output: 'prediction' });
  else {
    const scaled = graph.op('Mul', [margins, graph.constant(Float64Array.of(scale.deviation), [1])]);
    const shift = graph.constant(Float64Array.of(scale.mean), [1]);
    if (link === 'identity') graph.op('Add', [scaled, shift], {}, { output: 'prediction' });
    else {
      const root = graph.op('Max', [graph.op('Add', [scaled, shift]), graph.constant(Float64Array.of(0), [1])]);
      const added = graph.constant(Float64Array.of(scale.added ?? 0), [1]);
      graph.op('Add', [graph.op('Mul', [root, root]), added], {}, { output: 'prediction' });
    }
  }
  graph.output('prediction', 'double', ['N', 1]);
}
