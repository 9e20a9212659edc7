import { Name } from '@slipway/kernel';
import { z } from 'zod';
import { Datatype } from './datatypes.ts';

/** Inputs and outputs of one request; a contract has no more fields. */
export const TENSORS_LIMIT = 2_000;
export const DIMENSIONS_LIMIT = 8;
/** Longest id, version or name in a request. */
export const TEXT_LIMIT = 256;

/** Parameters are open by the protocol; we read the ones we know. */
export const ParametersShape = z.record(z.string(), z.unknown());

export const ShapeShape = z.array(z.int().nonnegative()).min(1).max(DIMENSIONS_LIMIT);

const text = z.string().max(TEXT_LIMIT);

/** The JSON of an infer request. The protocol is another's, so what we do not know is passed over. */
export const InferRequestBody = z.object({
  id: text.optional(),
  parameters: ParametersShape.optional(),
  inputs: z
    .array(
      z.object({
        name: text,
        shape: ShapeShape,
        datatype: Datatype,
        parameters: ParametersShape.optional(),
        /** Flat or nested, row-major; absent when the numbers follow the JSON in raw form. */
        data: z.unknown().optional(),
      }),
    )
    .max(TENSORS_LIMIT),
  outputs: z
    .array(z.object({ name: text, parameters: ParametersShape.optional() }))
    .max(TENSORS_LIMIT)
    .optional(),
});
export type InferRequestBody = z.infer<typeof InferRequestBody>;

const TensorMetadata = z.object({
  name: z.string(),
  datatype: Datatype,
  shape: z.array(z.int()),
  parameters: z.record(z.string(), z.union([z.string(), z.boolean()])).optional(),
});

export const InferReplyBody = z.object({
  model_name: z.string(),
  model_version: z.string(),
  id: z.string().optional(),
  outputs: z.array(
    z.object({
      name: z.string(),
      shape: z.array(z.int()),
      datatype: Datatype,
      parameters: ParametersShape.optional(),
      data: z.array(z.unknown()).optional(),
    }),
  ),
});

export const ServerMetadataBody = z.object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) });
export const ModelMetadataBody = z.object({
  name: z.string(),
  versions: z.array(z.string()),
  platform: z.string(),
  inputs: z.array(TensorMetadata),
  outputs: z.array(TensorMetadata),
});
const TensorConfig = z.object({ name: z.string(), data_type: z.string(), dims: z.array(z.number()) });
export const ModelConfigBody = z.object({
  name: z.string(),
  platform: z.string(),
  backend: z.string(),
  /** Most rows of a request; `dims` leave the rows out. */
  max_batch_size: z.int(),
  input: z.array(TensorConfig.extend({ optional: z.boolean() })),
  output: z.array(TensorConfig),
});
export const ModelReadyBody = z.object({ name: z.string(), ready: z.boolean() });
export const ModelsBody = z.object({ models: z.array(z.string()) });
export const IndexBody = z.array(
  z.object({ name: z.string(), version: z.string(), state: z.enum(['READY', 'UNAVAILABLE']), reason: z.string() }),
);
export const IndexRequest = z.object({ ready: z.boolean().default(false) });
export const LoadBody = z.object({ name: z.string(), load: z.boolean().optional(), unload: z.boolean().optional() });

const DurationBody = z.object({ count: z.int(), ns: z.number() });
export const StatisticsBody = z.object({
  model_stats: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      last_inference: z.number(),
      inference_count: z.int(),
      execution_count: z.int(),
      inference_stats: z.record(z.string(), DurationBody),
      batch_stats: z.array(
        z.object({ batch_size: z.int(), compute_input: DurationBody, compute_infer: DurationBody, compute_output: DurationBody }),
      ),
    }),
  ),
});

export const ModelParams = z.object({ model: Name });
export const VersionParams = z.object({ model: Name, version: z.string().min(1).max(TEXT_LIMIT) });
