export {
  GraphBuildError,
  InferenceError,
  ModelBusyError,
  ModelClosedError,
  ModelFormatError,
  ModelRefusedError,
  ModelTimeoutError,
  ModelTooLargeError,
  ModelVersionError,
  ProviderMissingError,
  SignatureError,
} from './errors.ts';
export {
  DEFAULT_IR_VERSION,
  DEFAULT_ML_OPSET,
  DEFAULT_OPSET,
  GraphBuilder,
  ML_DOMAIN,
  NODE_LIMIT,
  type BuildOptions,
  type Dimension,
  type NodeOptions,
} from './onnx/graph-builder.ts';
export { attribute, readAttribute, type Attribute, type TypedAttribute } from './onnx/attribute.ts';
export { decodeModel, encodeModel, int64Of, integerOf } from './onnx/codec.ts';
export { MODEL_LIMITS, type ModelLimits } from './onnx/scan.ts';
export { ELEMENT_TYPES, elementTypeName, type ElementType } from './onnx/schema.ts';
export { numbersOf, stringsOf, tensorOf, type ConstantValues } from './onnx/tensor.ts';
export type { GraphMessage, ModelMessage, NodeMessage, TensorMessage, ValueInfoMessage } from './onnx/messages.ts';
export { ALLOWED_DOMAINS, checkModel } from './onnx/check.ts';
export { GROUP_THRESHOLD_LIMIT, GroupThreshold, thresholdOf } from './group-thresholds.ts';
export { CLASS_LIMIT, FEATURE_LIMIT, ModelAnswer, ModelMetadata, ModelTask, ModelVersionMeta, answerContract } from './contract.ts';
export { ForeignOptions } from './foreign/options.ts';
export type { ImportedModel } from './foreign/import-model.ts';
export { IMPORT_LIMITS, importModel, type ImportLimits, type ImportModelOptions } from './foreign/limited-process.ts';
export { checkSignature, signatureOf, type ModelSignature, type TensorSignature } from './signature.ts';
export { inputNameOf } from './input-names.ts';
export { packInputs, type PackedModel } from './pack.ts';
export {
  BATCH_ROW_LIMIT,
  ROW_QUEUE_LIMIT,
  openModel,
  type Features,
  type ModelFacts,
  type OnnxModel,
  type OpenModelOptions,
  type Predictions,
} from './model.ts';
export { AnswerQueue, type AnswerQueueOptions } from './answer-queue.ts';
export { type RowSource, invokeRows } from './invoke-rows.ts';
export { QUEUE_WAIT_LIMIT_MS, type CallOptions, type RunFacts } from './batcher.ts';
export { BATCH_AGEING_MS, BATCH_QUEUE_RATIO, CallQueue, type Waiting } from './call-queue.ts';
export { requireProvider, type Provider } from './engine.ts';
export { INLINE_LIMIT_MS, LANES_DEFAULT_MAX, lanesFor, type LaneKind } from './lane.ts';
export { PARITY_LIMITS, maxParityError, type ParityResult } from './parity.ts';
export { measureLatency, type LatencyResult } from './latency.ts';
export { METADATA_LIMIT_BYTES, createModelServable, locateModel, modelLoader, type ModelLoaderDeps } from './servable.ts';
