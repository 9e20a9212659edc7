import { ERROR_KINDS, type ErrorBody, type ErrorKind, PlatformError } from '@slipway/kernel';
import { z } from 'zod';

const ErrorShape = z.object({
  error: z.object({
    code: z.string(),
    kind: z.enum(Object.keys(ERROR_KINDS) as [ErrorKind, ...ErrorKind[]]),
    message: z.string(),
    remedy: z.string().optional(),
    details: z.record(z.string(), z.unknown()).default({}),
    requestId: z.string().nullable().default(null),
    help: z.string().nullable().default(null),
  }),
});

/** A failure that the server named; keeps its code, kind, details and request id. */
export class ServerError extends PlatformError {
  override readonly code: string;
  override readonly kind: ErrorKind;
  readonly requestId: string | null;
  readonly status: number;

  constructor(body: z.infer<typeof ErrorShape>['error'], status: number) {
    super(body.message, { details: body.details, ...(body.help === null ? {} : { help: body.help }) });
    this.code = body.code;
    this.kind = body.kind;
    this.requestId = body.requestId;
    this.status = status;
  }
}

/** The server could not be reached, or what answered is not Slipway. */
export class ConnectionError extends PlatformError {
  override readonly code = 'client/connection';
  override readonly kind = 'unavailable' as const;
}

/** Turns a failed reply into the error it carries. */
export function errorOfReply(text: string, status: number): PlatformError {
  try {
    return new ServerError(ErrorShape.parse(JSON.parse(text) satisfies ErrorBody).error, status);
  } catch {
    return new ConnectionError(`The server answered with status ${status} and no Slipway error.`, { details: { status } });
  }
}

interface EndedRun {
  readonly id: string;
  readonly status: string;
  readonly error: {
    readonly code: string;
    readonly kind: ErrorKind;
    readonly message: string;
    readonly details: Readonly<Record<string, unknown>>;
    readonly help: string | null;
    readonly requestId: string | null;
  } | null;
}

/** A run that failed or was cancelled, with the error it ended with. */
export class RunFailedError extends PlatformError {
  override readonly code: string;
  override readonly kind: ErrorKind;
  readonly run: string;

  constructor(run: EndedRun) {
    const message = run.error?.message ?? `The run was ${run.status}.`;
    super(message, { details: run.error?.details ?? {}, help: run.error?.help ?? `See it with: slipway runs ${run.id}` });
    this.code = run.error?.code ?? `workflows/${run.status}`;
    this.kind = run.error?.kind ?? 'conflict';
    this.run = run.id;
  }
}
