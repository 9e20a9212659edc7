/**
 * Every expected failure is a class with a stable code and a kind; the kind alone decides the HTTP status and the
 * CLI's exit code, so the two surfaces cannot disagree.
 */
export const ERROR_KINDS = {
  invalid: { httpStatus: 422, exitCode: 2 },
  unauthenticated: { httpStatus: 401, exitCode: 4 },
  forbidden: { httpStatus: 403, exitCode: 4 },
  notFound: { httpStatus: 404, exitCode: 5 },
  conflict: { httpStatus: 409, exitCode: 6 },
  gateFailed: { httpStatus: 409, exitCode: 3 },
  tooLarge: { httpStatus: 413, exitCode: 2 },
  limited: { httpStatus: 429, exitCode: 7 },
  unavailable: { httpStatus: 503, exitCode: 7 },
  timeout: { httpStatus: 504, exitCode: 7 },
  internal: { httpStatus: 500, exitCode: 1 },
} as const;

export type ErrorKind = keyof typeof ERROR_KINDS;

/** Advice to whoever caught the error: is it worth trying again, and what would have to change first. */
export type Remedy = 'fix-input' | 'retry' | 'wait' | 'report';

export type ErrorDetails = Readonly<Record<string, unknown>>;

export interface ErrorOptionsWithDetails {
  readonly details?: ErrorDetails;
  /** One sentence that says what to do next; shown to the user under the message. */
  readonly help?: string;
  readonly cause?: unknown;
}

/** Base of all expected failures. `details` holds only JSON-safe values that may be shown to the caller. */
export abstract class PlatformError extends Error {
  abstract readonly code: string;
  abstract readonly kind: ErrorKind;
  readonly remedy: Remedy = 'fix-input';
  readonly details: ErrorDetails;
  readonly help: string | undefined;

  constructor(message: string, options: ErrorOptionsWithDetails = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.details = options.details ?? {};
    this.help = options.help;
  }
}

/** Input that breaks a rule; `details.problems` lists each broken rule when there are several. */
export class InvalidError extends PlatformError {
  override readonly code: string = 'kernel/invalid';
  override readonly kind = 'invalid' as const;
}

/** Nothing of that name or id exists here (also said of what exists in another project). */
export class NotFoundError extends PlatformError {
  override readonly code: string = 'kernel/not-found';
  override readonly kind = 'notFound' as const;
}

/** The state of the thing does not allow the change. */
export class ConflictError extends PlatformError {
  override readonly code: string = 'kernel/conflict';
  override readonly kind = 'conflict' as const;
}

/** A named limit was exceeded by the size of something. */
export class TooLargeError extends PlatformError {
  override readonly code: string = 'kernel/too-large';
  override readonly kind = 'tooLarge' as const;
}

/** Who is calling could not be established. */
export class UnauthenticatedError extends PlatformError {
  override readonly code: string = 'kernel/unauthenticated';
  override readonly kind = 'unauthenticated' as const;
}

/** The caller is known and may not do this. */
export class ForbiddenError extends PlatformError {
  override readonly code: string = 'kernel/forbidden';
  override readonly kind = 'forbidden' as const;
}

/** The service cannot answer now; trying again later may work. */
export class UnavailableError extends PlatformError {
  override readonly code: string = 'kernel/unavailable';
  override readonly kind = 'unavailable' as const;
  override readonly remedy: Remedy = 'retry';
}

/** Why a call was refused to protect the others; also the label under which it is counted. */
export type ShedReason = 'queue-full' | 'wait' | 'deadline' | 'in-flight' | 'loading' | 'loop';

/** Too much is asked at once: refused before anything was computed or recorded. `details.retryAfterSeconds` becomes Retry-After. */
export class OverloadedError extends UnavailableError {
  override readonly code: string = 'kernel/overloaded';
  override readonly remedy: Remedy = 'wait';
  readonly reason: ShedReason;
  constructor(reason: ShedReason, message: string, options: ErrorOptionsWithDetails & { readonly retryAfterSeconds?: number } = {}) {
    const retryAfterSeconds = Math.max(1, Math.ceil(options.retryAfterSeconds ?? 1));
    // Thousands are made a second when there is no time to spare, and where they are thrown says nothing: no stack is recorded.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, { ...options, details: { ...options.details, reason, retryAfterSeconds } });
    Error.stackTraceLimit = stackTraceLimit;
    this.reason = reason;
  }
}

/** The work was cancelled by a person or by its deadline. */
export class CancelledError extends PlatformError {
  override readonly code: string = 'kernel/cancelled';
  override readonly kind = 'conflict' as const;
}

/** An invariant in words that must hold; its failure is a bug of ours. */
export function invariant(condition: unknown, statement: string): asserts condition {
  if (!condition) throw new Error(`Broken invariant: ${statement}`);
}

/** The wire form of an error, identical on every route and in `--json` output. */
export interface ErrorBody {
  readonly error: {
    readonly code: string;
    readonly kind: ErrorKind;
    readonly message: string;
    readonly remedy: Remedy;
    readonly details: ErrorDetails;
    readonly requestId: string | null;
    readonly help: string | null;
  };
}

/** Renders any thrown value; what is not a PlatformError is shown as internal, without its text. */
export function toErrorBody(thrown: unknown, requestId: string | null): ErrorBody {
  if (thrown instanceof PlatformError) {
    const { code, kind, message, remedy, details, help } = thrown;
    return { error: { code, kind, message, remedy, details, requestId, help: help ?? null } };
  }
  return {
    error: {
      code: 'kernel/internal',
      kind: 'internal',
      message: 'Something went wrong inside Slipway; the log holds the details under this request id.',
      remedy: 'report',
      details: {},
      requestId,
      help: null,
    },
  };
}
