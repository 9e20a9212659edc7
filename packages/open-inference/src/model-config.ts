import { CALL_ROWS_LIMIT } from '@slipway/releases/contract';
import type { Datatype } from './datatypes.ts';
import type { ModelMetadata } from './open-inference.ts';
import type { TensorMetadata } from './signature.ts';

/** A tensor in Triton's configuration: without the rows, which are its batch dimension. */
export interface TensorConfig {
  readonly name: string;
  readonly data_type: string;
  readonly dims: readonly number[];
}

/**
 * What Triton's model-configuration extension tells of a model, as far as it is true of one here: nothing about instance groups,
 * schedulers and files, which a release has not.
 */
export interface ModelConfig {
  readonly name: string;
  readonly platform: string;
  readonly backend: string;
  /** Most rows of a request. */
  readonly max_batch_size: number;
  readonly input: readonly (TensorConfig & { readonly optional: boolean })[];
  readonly output: readonly TensorConfig[];
}

/** The configuration that a model's metadata amounts to. */
export function modelConfigOf({ name, platform, inputs, outputs }: ModelMetadata, backend: string): ModelConfig {
  return {
    name,
    platform,
    backend,
    max_batch_size: CALL_ROWS_LIMIT,
    input: inputs.map((input) => ({ ...tensorConfig(input), optional: input.parameters?.['optional'] === true })),
    output: outputs.map(tensorConfig),
  };
}

function tensorConfig({ name, datatype, shape }: TensorMetadata): TensorConfig {
  return { name, data_type: dataType(datatype), dims: shape.slice(1) };
}

/** Triton's configuration has names of its own for the datatypes. */
function dataType(datatype: Datatype): string {
  return datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`;
}
