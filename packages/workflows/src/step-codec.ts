import { PlatformError, toErrorBody, type ErrorBody, type Json } from '@slipway/kernel';
import { ResultNotJsonError, ResultTooLargeError, StepError } from './errors.ts';
import { JSON_LIMIT_BYTES } from './limits.ts';

/** Marks the stored message of a failed step; the engine keeps only an error's message and plain fields. */
const MARK = 'slipway-step:';

/** How a step's failure travels through the engine, which would lose its class, code and kind. */
class StepFailure extends Error {
  constructor(error: ErrorBody['error'], step: string) {
    super(`${MARK}${JSON.stringify({ error, step })}`);
  }
}

/** The original errors, for whoever looks while the process lives; the engine would store a `cause` with its text. */
const causes = new WeakMap<Error, unknown>();

/** What an error of a step becomes; the text of an unexpected one stays out of what users see. */
export function encodeFailure(thrown: unknown, step: string, run: string): Error {
  const failure = new StepFailure(errorOf(thrown, run), step);
  causes.set(failure, thrown);
  return failure;
}

/** @returns undefined for an error that no step stored. */
export function decodeFailure(thrown: unknown, position: number): StepError | undefined {
  if (!(thrown instanceof Error) || !thrown.message.startsWith(MARK)) return undefined;
  const { error, step } = JSON.parse(thrown.message.slice(MARK.length)) as { error: ErrorBody['error']; step: string };
  return new StepError(error, step, position, causes.get(thrown));
}

/** The stored form of whatever ended a run; the run's id stands where a request's would, to find the log line. */
export function errorOf(thrown: unknown, run: string): ErrorBody['error'] {
  const { error } = toErrorBody(thrown, run);
  if (thrown instanceof PlatformError) return { ...error, details: jsonDetails(error.details) };
  return { ...error, message: 'Something went wrong inside this run; the log holds the details under its id.' };
}

function jsonDetails(details: ErrorBody['error']['details']): ErrorBody['error']['details'] {
  try {
    const text = JSON.stringify(details);
    return text.length > JSON_LIMIT_BYTES ? {} : (JSON.parse(text) as ErrorBody['error']['details']);
  } catch {
    return {};
  }
}

/** The value as it will be read back; `what` begins the message. @throws {ResultNotJsonError} @throws {ResultTooLargeError} */
export function asJson(value: unknown, what: string): Json {
  let text: string | undefined;
  try {
    text = JSON.stringify(value, refuseNonFinite);
  } catch (cause) {
    throw new ResultNotJsonError(`${what} has no JSON form.`, {
      cause,
      help: 'Use plain objects, arrays, strings, finite numbers and booleans.',
    });
  }
  if (text === undefined) throw new ResultNotJsonError(`${what} has no JSON form.`);
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes > JSON_LIMIT_BYTES) {
    throw new ResultTooLargeError(`${what} is ${sizeBytes} bytes of JSON; at most ${JSON_LIMIT_BYTES} are kept.`, {
      details: { limit: JSON_LIMIT_BYTES, got: sizeBytes },
      help: 'Store large things as objects and pass their hashes.',
    });
  }
  return JSON.parse(text) as Json;
}

function refuseNonFinite(_key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError('JSON has no form for NaN or infinity');
  return value;
}
