export {
  GraphBuildError,
  InferenceError,
  ModelBusyError,
  ModelClosedError,
  ModelFormatError,
  ModelRefusedError,
  ModelTooLargeError,
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
