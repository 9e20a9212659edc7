import { type Contract, Contract as ContractShape, type Frame } from '@slipway/kernel';
import { type ModelMetadata, openModel } from '@slipway/models';
import { exportModel } from '../export/export-model.ts';
import { type FittedModel, predictFitted, type TrainerOutputs } from '../fitted-model.ts';
import { usedFields } from '../preparation.ts';

/** The contract's used fields as a model's metadata wants them. */
function contractFor(model: FittedModel, contract: Contract): Contract {
  const used = new Set(usedFields(model.preparation));
  return ContractShape.parse({ format: 'slipway.contract/1', fields: contract.fields.filter((field) => used.has(field.name)) });
}

export interface Comparison {
  readonly trainer: TrainerOutputs;
  readonly graph: { readonly probabilities?: Float32Array; readonly values?: Float64Array; readonly labels: readonly string[] };
  readonly features: Float32Array;
}

/** Exports a model, opens the graph as serving does, and predicts a frame both ways. */
export async function compareWithGraph(model: FittedModel, contract: Contract, frame: Frame): Promise<Comparison> {
  const metadata: ModelMetadata = {
    format: 'slipway.model/1',
    task: model.task,
    target: 'target',
    classes: model.classes ? [...model.classes] : null,
    positive: model.task === 'binary' ? (model.classes?.at(-1) ?? null) : null,
    contract: contractFor(model, contract),
    features: model.preparation.features.map((plan) => plan.name),
    trainer: 'test',
    params: {},
    seed: 1,
  };
  const opened = await openModel({ bytes: exportModel(model), metadata, prepare: 'here', lane: 'inline' });
  try {
    const graph = await opened.predict(frame);
    const features = await opened.features(frame);
    return { trainer: predictFitted(model, frame), graph, features: features.values };
  } finally {
    await opened.close();
  }
}
