import { ConflictError, InvalidError, NotFoundError, UnavailableError } from '@slipway/kernel';

/** A tensor that cannot be read: its shape, datatype and data disagree, or it does not belong to the model. */
export class TensorError extends InvalidError {
  override readonly code = 'open-inference/tensor';
}

/** A request whose framing is wrong: lengths, parameters, requested outputs. */
export class InferRequestError extends InvalidError {
  override readonly code = 'open-inference/request';
}

/** The version in the address is neither a revision's number nor a version that the release has used. */
export class ModelVersionNotFoundError extends NotFoundError {
  override readonly code = 'open-inference/version-not-found';
  constructor(model: string, version: string) {
    super(`Release "${model}" has no revision "${version.slice(0, 80)}".`, {
      details: { model, version: version.slice(0, 80) },
      help: `Name a revision's number or a version's id; GET /v2/models/${model} lists the numbers.`,
    });
  }
}

/** Somebody unloaded the model here; it answers over this protocol again once it is loaded. */
export class ModelUnloadedError extends UnavailableError {
  override readonly code = 'open-inference/unloaded';
  constructor(model: string) {
    super(`The model "${model}" was unloaded.`, {
      details: { model },
      help: `POST /v2/repository/models/${model}/load makes it answer again.`,
    });
  }
}

/** The answer waits for something (an approval), which this protocol has no words for. */
export class AnswerPendingError extends ConflictError {
  override readonly code = 'open-inference/pending';
  constructor(run: string) {
    super(`The answer is not there yet: it comes with the end of the run ${run}.`, {
      details: { run },
      help: 'Follow the run, and call such releases by POST /v1/releases/{name}/invoke.',
    });
  }
}
