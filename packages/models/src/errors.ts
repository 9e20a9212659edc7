import { InvalidError, OverloadedError, PlatformError, TooLargeError, UnavailableError, type Remedy } from '@slipway/kernel';

/** The bytes are no ONNX model that can be read: broken protobuf, missing graph, wrong structure. */
export class ModelFormatError extends InvalidError {
  override readonly code = 'models/format';
}

/** The model is readable, and uses something that is refused for safety: external data, foreign operator domains. */
export class ModelRefusedError extends InvalidError {
  override readonly code = 'models/refused';
}

/** The model or one of its parts is larger than a named limit. */
export class ModelTooLargeError extends TooLargeError {
  override readonly code = 'models/too-large';
}

/** The graph's inputs or outputs are not those that its metadata names. */
export class SignatureError extends InvalidError {
  override readonly code = 'models/signature';
}

/** A graph under construction breaks a rule of the builder. */
export class GraphBuildError extends InvalidError {
  override readonly code = 'models/graph-build';
}

/** More calls wait for a model than its queue holds, or than it can answer in time; nothing was computed. */
export class ModelBusyError extends OverloadedError {
  override readonly code = 'models/busy';
}

/** What a model is to compute with is not there: a provider's binaries, or its hardware. */
export class ProviderMissingError extends UnavailableError {
  override readonly code = 'models/provider-missing';
  override readonly remedy: Remedy = 'fix-input';
}

/** The model was closed while or before the call arrived. */
export class ModelClosedError extends UnavailableError {
  override readonly code = 'models/closed';
}

/** The engine failed on a graph that had passed the checks; the cause carries its words. */
export class InferenceError extends PlatformError {
  override readonly code = 'models/inference';
  override readonly kind = 'internal' as const;
  override readonly remedy: Remedy = 'report';
}

/** The call's deadline had passed before the model could answer. */
export class ModelTimeoutError extends PlatformError {
  override readonly code = 'models/timeout';
  override readonly kind = 'timeout' as const;
  override readonly remedy: Remedy = 'retry';
}

/** What the catalog or the objects hold is not a model version. */
export class ModelVersionError extends InvalidError {
  override readonly code = 'models/version';
}
