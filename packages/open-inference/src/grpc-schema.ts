/**
 * The service and messages of the protocol's gRPC half as protobuf's JSON descriptor: field numbers as in the KServe and
 * Triton definitions. Kept as data, so that the bundled package needs no .proto file beside it.
 */
const field = (type: string, id: number, rule?: 'repeated') => ({ type, id, ...(rule ? { rule } : {}) });
const list = (type: string, id: number) => field(type, id, 'repeated');
const map = (type: string, id: number) => ({ keyType: 'string', type, id });
const message = (fields: Readonly<Record<string, object>> = {}, more: object = {}) => ({ fields, ...more });
const method = (name: string, streams = false) => ({
  requestType: streams ? 'ModelInferRequest' : `${name}Request`,
  responseType: `${name}Response`,
  ...(streams ? { requestStream: true, responseStream: true } : {}),
});

const METHODS = [
  'ServerLive',
  'ServerReady',
  'ModelReady',
  'ServerMetadata',
  'ModelMetadata',
  'ModelConfig',
  'ModelInfer',
  'ModelStatistics',
  'RepositoryIndex',
  'RepositoryModelLoad',
  'RepositoryModelUnload',
];

const modelAddress = { name: field('string', 1), version: field('string', 2) };

const tensorMessages = {
  InferParameter: message(
    {
      bool_param: field('bool', 1),
      int64_param: field('int64', 2),
      string_param: field('string', 3),
      double_param: field('double', 4),
      uint64_param: field('uint64', 5),
    },
    { oneofs: { parameter_choice: { oneof: ['bool_param', 'int64_param', 'string_param', 'double_param', 'uint64_param'] } } },
  ),
  InferTensorContents: message({
    bool_contents: list('bool', 1),
    int_contents: list('int32', 2),
    int64_contents: list('int64', 3),
    uint_contents: list('uint32', 4),
    uint64_contents: list('uint64', 5),
    fp32_contents: list('float', 6),
    fp64_contents: list('double', 7),
    bytes_contents: list('bytes', 8),
  }),
};

const tensor = message({
  name: field('string', 1),
  datatype: field('string', 2),
  shape: list('int64', 3),
  parameters: map('InferParameter', 4),
  contents: field('InferTensorContents', 5),
});

const inferMessages = {
  ModelInferRequest: message(
    {
      model_name: field('string', 1),
      model_version: field('string', 2),
      id: field('string', 3),
      parameters: map('InferParameter', 4),
      inputs: list('InferInputTensor', 5),
      outputs: list('InferRequestedOutputTensor', 6),
      raw_input_contents: list('bytes', 7),
    },
    {
      nested: {
        InferInputTensor: tensor,
        InferRequestedOutputTensor: message({ name: field('string', 1), parameters: map('InferParameter', 2) }),
      },
    },
  ),
  ModelInferResponse: message(
    {
      model_name: field('string', 1),
      model_version: field('string', 2),
      id: field('string', 3),
      parameters: map('InferParameter', 4),
      outputs: list('InferOutputTensor', 5),
      raw_output_contents: list('bytes', 6),
    },
    { nested: { InferOutputTensor: tensor } },
  ),
  ModelStreamInferResponse: message({ error_message: field('string', 1), infer_response: field('ModelInferResponse', 2) }),
};

const serverMessages = {
  ServerLiveRequest: message(),
  ServerLiveResponse: message({ live: field('bool', 1) }),
  ServerReadyRequest: message(),
  ServerReadyResponse: message({ ready: field('bool', 1) }),
  ServerMetadataRequest: message(),
  ServerMetadataResponse: message({ name: field('string', 1), version: field('string', 2), extensions: list('string', 3) }),
  ModelReadyRequest: message(modelAddress),
  ModelReadyResponse: message({ ready: field('bool', 1) }),
  ModelMetadataRequest: message(modelAddress),
  ModelMetadataResponse: message(
    {
      name: field('string', 1),
      versions: list('string', 2),
      platform: field('string', 3),
      inputs: list('TensorMetadata', 4),
      outputs: list('TensorMetadata', 5),
    },
    { nested: { TensorMetadata: message({ name: field('string', 1), datatype: field('string', 2), shape: list('int64', 3) }) } },
  ),
};

/** Of Triton's long message, what is true of a model here. */
const configMessages = {
  ModelConfigRequest: message(modelAddress),
  ModelConfigResponse: message({ config: field('ModelConfig', 1) }),
  ModelConfig: message({
    name: field('string', 1),
    platform: field('string', 2),
    backend: field('string', 17),
    max_batch_size: field('int32', 4),
    input: list('ModelInput', 5),
    output: list('ModelOutput', 6),
  }),
  ModelInput: message({
    name: field('string', 1),
    data_type: field('DataType', 2),
    dims: list('int64', 4),
    optional: field('bool', 8),
  }),
  ModelOutput: message({ name: field('string', 1), data_type: field('DataType', 2), dims: list('int64', 3) }),
  DataType: {
    values: Object.fromEntries(
      [
        'INVALID',
        'BOOL',
        'UINT8',
        'UINT16',
        'UINT32',
        'UINT64',
        'INT8',
        'INT16',
        'INT32',
        'INT64',
        'FP16',
        'FP32',
        'FP64',
        'STRING',
        'BF16',
      ].map((name, value) => [`TYPE_${name}`, value]),
    ),
  },
};

const statisticsMessages = {
  ModelStatisticsRequest: message(modelAddress),
  StatisticDuration: message({ count: field('uint64', 1), ns: field('uint64', 2) }),
  InferStatistics: message({
    success: field('StatisticDuration', 1),
    fail: field('StatisticDuration', 2),
    queue: field('StatisticDuration', 3),
    compute_input: field('StatisticDuration', 4),
    compute_infer: field('StatisticDuration', 5),
    compute_output: field('StatisticDuration', 6),
    cache_hit: field('StatisticDuration', 7),
    cache_miss: field('StatisticDuration', 8),
  }),
  InferBatchStatistics: message({
    batch_size: field('uint64', 1),
    compute_input: field('StatisticDuration', 2),
    compute_infer: field('StatisticDuration', 3),
    compute_output: field('StatisticDuration', 4),
  }),
  ModelStatistics: message({
    name: field('string', 1),
    version: field('string', 2),
    last_inference: field('uint64', 3),
    inference_count: field('uint64', 4),
    execution_count: field('uint64', 5),
    inference_stats: field('InferStatistics', 6),
    batch_stats: list('InferBatchStatistics', 7),
  }),
  ModelStatisticsResponse: message({ model_stats: list('ModelStatistics', 1) }),
};

/**
 * KServe's requests to load and unload carry the model's name in field 1, where Triton's have the repository's: with
 * field 2 empty, field 1 is the model. Its replies name the model too, which Triton's clients pass over.
 */
const repositoryMessages = {
  RepositoryIndexRequest: message({ repository_name: field('string', 1), ready: field('bool', 2) }),
  RepositoryIndexResponse: message(
    { models: list('ModelIndex', 1) },
    {
      nested: {
        ModelIndex: message({
          name: field('string', 1),
          version: field('string', 2),
          state: field('string', 3),
          reason: field('string', 4),
        }),
      },
    },
  ),
  RepositoryModelLoadRequest: message({ repository_name: field('string', 1), model_name: field('string', 2) }),
  RepositoryModelLoadResponse: message({ model_name: field('string', 1), isLoaded: field('bool', 2) }),
  RepositoryModelUnloadRequest: message({ repository_name: field('string', 1), model_name: field('string', 2) }),
  RepositoryModelUnloadResponse: message({ model_name: field('string', 1), isUnloaded: field('bool', 2) }),
};

export const SERVICE_NAME = 'inference.GRPCInferenceService';

export const GRPC_SCHEMA = {
  options: { syntax: 'proto3' },
  nested: {
    inference: {
      nested: {
        GRPCInferenceService: {
          methods: {
            ...Object.fromEntries(METHODS.map((name) => [name, method(name)])),
            ModelStreamInfer: method('ModelStreamInfer', true),
          },
        },
        ...tensorMessages,
        ...inferMessages,
        ...serverMessages,
        ...configMessages,
        ...statisticsMessages,
        ...repositoryMessages,
      },
    },
  },
};
