import { createHash } from 'node:crypto';
import { ERROR_KINDS, PlatformError, RawReply, toErrorBody, type Clock, type Principal, type Route, type RouteCall } from '@slipway/kernel';
import { etagOf, namesEtag } from '@slipway/kernel/etag';
import { decide, type Identity } from '@slipway/identity';
import type { CompiledRoute } from './compile-routes.ts';
import {
  ClientGoneError,
  IdempotencyBusyError,
  IdempotencyError,
  KeyMissingError,
  MethodNotAllowedError,
  PermissionDeniedError,
  ProjectHiddenError,
} from './errors.ts';
import { JSON_TYPE, type Exchange, type Reply } from './exchange.ts';
import type { HostPolicy } from './host-policy.ts';
import type { IdempotencyScope, IdempotencyStore } from './idempotency-store.ts';
import { IDEMPOTENCY_REPLY_BYTES_MAX } from './limits.ts';
import { parseParams, parseQuery, readInput } from './request-input.ts';

/** What the HTTP surface needs of identity. */
export type IdentityPort = Pick<Identity, 'authenticate' | 'authenticateCached' | 'resolveProject'>;

/** Where failures are told that the caller must not see. */
export interface HttpLog {
  error(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** One answered request, for metrics and access logs. */
export interface Observation {
  /** `POST /v1/x/{name}`, or undefined when no route matched. */
  readonly route: string | undefined;
  readonly status: number;
  readonly durationMs: number;
}

export interface PipelineDeps {
  readonly identity: IdentityPort;
  readonly clock: Clock;
  readonly log: HttpLog;
  readonly hosts: HostPolicy;
  readonly requestId: (given: string | undefined) => string;
  readonly idempotency: IdempotencyStore | undefined;
  readonly observe: ((observation: Observation) => void) | undefined;
  /** Parse every reply by its route's schema, so that a reply and its description cannot drift apart. */
  readonly checkReplies: boolean;
}

/** Known project names are kept, since neither names nor ids ever change. */
const PROJECT_NAMES_LIMIT = 1_000;

const NOBODY: Principal = Object.freeze({ id: 'anonymous', project: '', role: 'viewer', instance: false, label: 'nobody' });

/** What every request goes through, in this order: host, key, permission, input, handler, reply. */
export class Pipeline {
  readonly #deps: PipelineDeps;
  readonly #projectIds = new Map<string, string>();

  constructor(deps: PipelineDeps) {
    this.#deps = deps;
  }

  /** Answers a request that a route matched. Never rejects. */
  async answer(compiled: CompiledRoute, rawParams: Readonly<Record<string, string>>, exchange: Exchange): Promise<Reply> {
    const { clock, observe } = this.#deps;
    const startMs = observe === undefined ? 0 : clock.monotonicMs();
    const requestId = this.#deps.requestId(exchange.header('x-request-id'));
    let reply: Reply;
    try {
      reply = await this.#answer(compiled, rawParams, exchange, requestId);
    } catch (thrown) {
      reply = this.failure(thrown, requestId, compiled.name, compiled.route.errorReply);
    }
    if (observe) observe({ route: compiled.name, status: reply.status, durationMs: clock.monotonicMs() - startMs });
    return reply;
  }

  /** Answers a request that no route matched, or that broke before one could. */
  refuse(exchange: Exchange, thrown: Error, errorReply?: Route['errorReply']): Reply {
    const requestId = this.#deps.requestId(exchange.header('x-request-id'));
    let reply: Reply;
    try {
      this.#deps.hosts.check(exchange.header('host'), exchange.header('origin'));
      reply = this.failure(thrown, requestId, undefined, errorReply);
    } catch (refused) {
      reply = this.failure(refused, requestId, undefined, errorReply);
    }
    this.#deps.observe?.({ route: undefined, status: reply.status, durationMs: 0 });
    return reply;
  }

  /** The reply to a failure. What is not meant for callers goes to the log under the request's id. */
  failure(thrown: unknown, requestId: string, route: string | undefined, errorReply?: Route['errorReply']): Reply {
    const known = thrown instanceof PlatformError && thrown.kind !== 'internal';
    if (!known && !(thrown instanceof ClientGoneError)) {
      this.#deps.log.error('A request failed.', { requestId, route: route ?? null, error: thrown });
    }
    const told = toErrorBody(known ? thrown : undefined, requestId);
    const usual = thrown instanceof MethodNotAllowedError ? 405 : ERROR_KINDS[told.error.kind].httpStatus;
    const { status, body } = errorReply?.(told.error, usual) ?? { status: usual, body: told };
    return { status, contentType: JSON_TYPE, body: JSON.stringify(body), requestId, headers: failureHeaders(thrown, status) };
  }

  async #answer(
    compiled: CompiledRoute,
    rawParams: Readonly<Record<string, string>>,
    exchange: Exchange,
    requestId: string,
  ): Promise<Reply> {
    this.#deps.hosts.check(exchange.header('host'), exchange.header('origin'));
    let principal = NOBODY;
    let { project } = NOBODY;
    if (compiled.permission !== undefined) {
      const key = bearerKey(exchange.header('authorization'));
      principal = this.#deps.identity.authenticateCached(key) ?? (await this.#deps.identity.authenticate(key));
      project = compiled.inProject ? await this.#projectNamed(rawParams['project'] as string, principal) : principal.project;
      const decision = decide(principal, compiled.permission, project);
      if (decision === 'hidden') throw new ProjectHiddenError(rawParams['project'] ?? project);
      if (decision === 'deny') throw new PermissionDeniedError(compiled.permission, principal);
    }
    const params = parseParams(compiled, compiled.inProject ? withoutProject(rawParams) : rawParams);
    const query = parseQuery(compiled, exchange.search);
    const { admit } = compiled.route;
    // Params have been parsed by the route's own schema, as its type says.
    if (admit) admit({ project, params: params as never, header: (name) => exchange.header(name.toLowerCase()) });
    const { body, text: bodyText, bytes } = await readInput(compiled, exchange);
    const call = new Call(exchange, { principal, project, params, query, body, bodyText, requestId });
    const idempotencyKey = compiled.route.idempotent ? exchange.header('idempotency-key') : undefined;
    if (idempotencyKey !== undefined) return this.#answerOnce(compiled, call, idempotencyKey, exchange, bytes);
    return this.#handle(compiled, call);
  }

  async #handle(compiled: CompiledRoute, call: Call): Promise<Reply> {
    // The route's schemas made these values; that is what its handler's types say.
    const result = await compiled.route.handle(call as RouteCall as RouteCall<never, never, never>);
    if (result instanceof RawReply) {
      const { status, contentType, body, headers } = result;
      return { status, contentType, body, headers, requestId: call.requestId };
    }
    const checked = this.#deps.checkReplies ? compiled.route.response.parse(result) : result;
    if (compiled.editable) return editableReply(checked, call);
    return {
      status: compiled.route.successStatus ?? 200,
      contentType: JSON_TYPE,
      body: JSON.stringify(checked) ?? 'null',
      requestId: call.requestId,
      headers: undefined,
    };
  }

  /** Runs the handler once for a key; later calls with the same key and request get the first reply again. */
  async #answerOnce(compiled: CompiledRoute, call: Call, key: string, exchange: Exchange, bytes: Uint8Array): Promise<Reply> {
    const store = this.#deps.idempotency;
    if (!store) throw new Error(`${compiled.name} is idempotent, but there is no store`);
    if (!IDEMPOTENCY_KEY.test(key)) {
      throw new IdempotencyError('An Idempotency-Key has 1 to 255 printable ASCII characters.', { details: { header: 'Idempotency-Key' } });
    }
    const scope = { project: call.project, principal: call.principal.id, route: `${compiled.method} ${compiled.route.path}`, key };
    const outcome = await store.begin(scope, hashRequest(exchange, bytes));
    switch (outcome.state) {
      case 'busy':
        throw new IdempotencyBusyError();
      case 'mismatch':
        throw new IdempotencyError('This Idempotency-Key was used before for another request.', {
          details: { header: 'Idempotency-Key' },
          help: 'Use a new key for each new request; repeat a request unchanged.',
        });
      case 'replay':
        return { ...outcome.reply, contentType: JSON_TYPE, requestId: call.requestId, headers: { 'idempotency-replayed': 'true' } };
      case 'new':
        return this.#answerFirst(store, scope, compiled, call);
    }
  }

  async #answerFirst(store: IdempotencyStore, scope: IdempotencyScope, compiled: CompiledRoute, call: Call): Promise<Reply> {
    let reply: Reply;
    try {
      reply = await this.#handle(compiled, call);
    } catch (thrown) {
      await this.#quietly(store.abandon(scope), call.requestId);
      throw thrown;
    }
    const { status, body } = reply;
    const keep = typeof body === 'string' && body.length <= IDEMPOTENCY_REPLY_BYTES_MAX && reply.contentType === JSON_TYPE;
    await this.#quietly(keep ? store.finish(scope, { status, body }) : store.abandon(scope), call.requestId);
    return reply;
  }

  /** The change is made: a reply that cannot be remembered must not turn it into an error. */
  async #quietly(work: Promise<void>, requestId: string): Promise<void> {
    await work.catch((error: unknown) => this.#deps.log.error('An Idempotency-Key could not be saved.', { requestId, error }));
  }

  async #projectNamed(idOrName: string, principal: Principal): Promise<string> {
    if (idOrName === principal.project) return idOrName;
    const known = this.#projectIds.get(idOrName);
    if (known !== undefined) return known;
    const { id } = await this.#deps.identity.resolveProject(idOrName).catch((cause: unknown) => {
      // The same words as for a project that exists and is not the caller's.
      if (cause instanceof PlatformError && cause.kind === 'notFound') throw new ProjectHiddenError(idOrName);
      throw cause;
    });
    if (this.#projectIds.size < PROJECT_NAMES_LIMIT) this.#projectIds.set(idOrName, id);
    return id;
  }
}

/** A reply with its ETag, or only that when the caller has it already. */
function editableReply(value: unknown, call: Call): Reply {
  const etag = etagOf(value);
  const known = call.header('if-none-match');
  const same = known !== undefined && namesEtag(known, etag);
  const headers = { etag, 'cache-control': 'no-cache' };
  return { status: same ? 304 : 200, contentType: JSON_TYPE, body: same ? '' : JSON.stringify(value), requestId: call.requestId, headers };
}

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

function hashRequest(exchange: Exchange, bytes: Uint8Array): string {
  return createHash('sha256').update(`${exchange.path}${exchange.search}\n`).update(bytes).digest('hex');
}

function withoutProject(params: Readonly<Record<string, string>>): Record<string, string> {
  const { project: _project, ...rest } = params;
  return rest;
}

const BEARER = /^bearer +(\S+) *$/i;

/** The key of an Authorization header. @throws {KeyMissingError} */
export function bearerKey(header: string | undefined): string {
  if (header === undefined) throw new KeyMissingError('This needs a key, and the request has no Authorization header.');
  if (header.startsWith('Bearer ') && !header.includes(' ', 7)) return header.slice(7);
  const key = BEARER.exec(header)?.[1];
  if (key === undefined) throw new KeyMissingError('The Authorization header is not of the form "Bearer KEY".');
  return key;
}

function failureHeaders(thrown: unknown, status: number): Readonly<Record<string, string>> | undefined {
  if (status === 401) return { 'www-authenticate': 'Bearer realm="slipway"' };
  if (thrown instanceof MethodNotAllowedError) return { allow: thrown.allowed.join(', ') };
  if (status !== 429 && status !== 503) return undefined;
  const seconds = thrown instanceof PlatformError ? thrown.details['retryAfterSeconds'] : undefined;
  return { 'retry-after': String(typeof seconds === 'number' && seconds >= 1 ? Math.ceil(seconds) : 1) };
}

/** What a handler receives. The signal costs an AbortController, so it is made when somebody asks for it. */
class Call implements RouteCall {
  readonly principal: Principal;
  readonly project: string;
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly bodyText: string | undefined;
  readonly requestId: string;
  readonly #exchange: Exchange;

  constructor(exchange: Exchange, parts: Omit<RouteCall, 'header' | 'signal'>) {
    this.principal = parts.principal;
    this.project = parts.project;
    this.params = parts.params;
    this.query = parts.query;
    this.body = parts.body;
    this.bodyText = parts.bodyText;
    this.requestId = parts.requestId;
    this.#exchange = exchange;
  }

  get header(): (name: string) => string | undefined {
    return (name) => this.#exchange.header(name.toLowerCase());
  }

  get signal(): AbortSignal {
    return this.#exchange.signal();
  }
}
