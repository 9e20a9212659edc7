import type { z } from 'zod';
import type { ErrorBody } from './errors.ts';
import type { Json } from './json.ts';
import type { Permission, Principal } from './principal.ts';
import type { ServableLoader } from './servable.ts';

/** One forward step of the schema. Ids order migrations inside a capability: `0001_create`. */
export interface Migration {
  readonly id: string;
  readonly sql: string;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What a route's handler receives; everything from outside has been parsed by the route's schemas. */
export interface RouteCall<Params = unknown, Query = unknown, Body = unknown> {
  readonly principal: Principal;
  /** The project the call is about: the key's own, or the one named in the URL when allowed. */
  readonly project: string;
  readonly params: Params;
  readonly query: Query;
  /** Parsed JSON, or what the route's `bodyKind` says: a byte stream for `stream`, a Uint8Array for `bytes`. */
  readonly body: Body;
  /** The JSON text that `body` was parsed from, for handlers that keep it; undefined when there was none. */
  readonly bodyText?: string | undefined;
  readonly requestId: string;
  readonly header: (name: string) => string | undefined;
  readonly signal: AbortSignal;
}

/** A reply that is not plain JSON with the route's usual status. */
export class RawReply {
  readonly body: string | Uint8Array | ReadableStream<Uint8Array>;
  readonly contentType: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  constructor(
    body: string | Uint8Array | ReadableStream<Uint8Array>,
    options: { contentType: string; status?: number; headers?: Readonly<Record<string, string>> },
  ) {
    this.body = body;
    this.contentType = options.contentType;
    this.status = options.status ?? 200;
    this.headers = options.headers ?? {};
  }
}

/**
 * One HTTP route as data: the server builds routing, validation, OpenAPI and the permission matrix from it.
 * A route without `permission` does not compile, and the router refuses to start with one.
 */
export interface Route {
  readonly method: Method;
  /** Path under the server's root with `{name}` parameters, for example `/v1/releases/{name}/predict`. */
  readonly path: string;
  readonly permission: Permission | 'public';
  readonly summary: string;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** `bytes` hands over the whole body unread, whatever its Content-Type: for protocols that mix JSON with raw numbers. */
  readonly bodyKind?: 'json' | 'bytes' | 'stream' | 'none';
  readonly bodyLimitBytes?: number;
  readonly response: z.ZodType;
  readonly successStatus?: 200 | 201 | 202;
  /** Set on POSTs that create: an Idempotency-Key makes a repeated call return the first reply. */
  readonly idempotent?: boolean;
  /** Answered straight from node:http, past the general router: for the prediction path. No stream, not idempotent. */
  readonly fast?: boolean;
  /** Called before the body is read, for refusing early what would be refused anyway. @throws to refuse. */
  readonly admit?: (call: {
    readonly project: string;
    readonly params: never;
    readonly header: (name: string) => string | undefined;
  }) => void;
  /** How failures are told where a foreign protocol prescribes it; everywhere else they are an {@link ErrorBody}. */
  readonly errorReply?: (error: ErrorBody['error'], status: number) => { readonly status: number; readonly body: unknown };
  readonly handle: (call: RouteCall<never, never, never>) => Promise<unknown>;
}

/** Types a route's handler from its schemas; the only way routes should be written. */
export function defineRoute<
  P extends z.ZodType = z.ZodType<unknown>,
  Q extends z.ZodType = z.ZodType<unknown>,
  B extends z.ZodType = z.ZodType<unknown>,
  R extends z.ZodType = z.ZodType<unknown>,
>(
  route: Omit<Route, 'params' | 'query' | 'body' | 'response' | 'admit' | 'handle'> & {
    readonly params?: P;
    readonly query?: Q;
    readonly body?: B;
    readonly response: R;
    readonly admit?: (call: Pick<RouteCall<z.output<P>>, 'project' | 'params' | 'header'>) => void;
    readonly handle: (call: RouteCall<z.output<P>, z.output<Q>, z.output<B>>) => Promise<z.input<R> | RawReply>;
  },
): Route {
  return route as unknown as Route;
}

/** What a workflow may do; each method is durable, so a killed process continues after the last finished step. */
export interface WorkflowContext {
  readonly run: string;
  readonly project: string;
  readonly principal: Principal;
  /** Aborts when the run is cancelled or its worker shuts down; long steps must listen. */
  readonly signal: AbortSignal;
  /** Runs once and stores its JSON result; after a crash the stored result is returned. Pass references, not personal data. */
  step<T extends Json | void>(name: string, work: () => Promise<T>, options?: { readonly retries?: number }): Promise<T>;
  /** Appends a progress event (not a step): shown live, kept with the run. */
  progress(event: ProgressEvent): Promise<void>;
  sleep(milliseconds: number): Promise<void>;
  /** Waits for a signal by name; undefined when the time runs out. */
  waitFor(signal: string, timeoutMs: number): Promise<Json | undefined>;
}

export interface ProgressEvent {
  readonly phase: string;
  readonly message?: string;
  /** Share done of the phase, 0..1. */
  readonly ratio?: number;
  readonly data?: Json;
}

/** A durable piece of work; `name` and `version` are part of its identity in stored runs. */
export interface WorkflowDefinition {
  readonly name: string;
  readonly version: number;
  readonly input: z.ZodType;
  /** Runs of one queue share a concurrency limit. */
  readonly queue?: string;
  readonly run: (context: WorkflowContext, input: never) => Promise<Json>;
}

export function defineWorkflow<I extends z.ZodType>(definition: {
  readonly name: string;
  readonly version: number;
  readonly input: I;
  readonly queue?: string;
  readonly run: (context: WorkflowContext, input: z.output<I>) => Promise<Json>;
}): WorkflowDefinition {
  return definition as unknown as WorkflowDefinition;
}

/** Something that runs now and then in the process, such as a sweep; must tolerate being skipped. */
export interface Job {
  readonly name: string;
  readonly everyMs: number;
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/** What a capability brings to the house; server, OpenAPI, matrix and docs are generated from the list of these. */
export interface Capability {
  readonly name: string;
  readonly migrations?: readonly Migration[];
  readonly routes?: readonly Route[];
  readonly workflows?: readonly WorkflowDefinition[];
  readonly servables?: readonly ServableLoader[];
  readonly jobs?: readonly Job[];
}
