export { openInferenceCapability, INFER_BODY_LIMIT_BYTES } from './capability.ts';
export { DIMENSIONS_LIMIT, TENSORS_LIMIT } from './contract.ts';
export { AnswerPendingError, InferRequestError, ModelUnloadedError, ModelVersionNotFoundError, TensorError } from './errors.ts';
export {
  EXTENSIONS,
  INDEX_LIMIT,
  createOpenInference,
  type Caller,
  type InferReply,
  type InferRequest,
  type ModelAddress,
  type ModelIndexEntry,
  type ModelMetadata,
  type OpenInference,
  type OpenInferenceDeps,
} from './open-inference.ts';
export { STATISTICS_LIMIT, type ModelStatistics } from './statistics.ts';
export { CONCURRENT_STREAMS_LIMIT, STREAM_QUEUE_LIMIT, listenGrpc, type GrpcListening, type GrpcServerDeps } from './grpc-server.ts';
