import type { ModelPredictions } from '@slipway/evaluation';
import type { Frame } from '@slipway/kernel';
import type { OnnxModel } from '@slipway/models';

/** What a model says about rows, as evaluations read it. */
export async function predictionsOf(model: OnnxModel, frame: Frame): Promise<ModelPredictions> {
  const { probabilities, values } = await model.predict(frame);
  return probabilities ? { probabilities } : { values: values ?? new Float64Array(0) };
}
