import type { IncomingMessage, ServerResponse } from 'node:http';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Capability, type Clock, type Ids, type PlatformError, RawReply, type Route, defineRoute } from '@slipway/kernel';
import { Hono, type Context } from 'hono';
import { z } from 'zod';
import { CallGate, type Connection } from './call-gate.ts';
import { METHODS, compileRoutes, type CompiledRoute } from './compile-routes.ts';
import { MethodNotAllowedError, RouteDeclarationError, RouteNotFoundError } from './errors.ts';
import type { Exchange, Reply } from './exchange.ts';
import { FetchExchange, toResponse } from './fetch-exchange.ts';
import { HostPolicy } from './host-policy.ts';
import type { IdempotencyStore } from './idempotency-store.ts';
import { NodeExchange, SlowBodyWatch } from './node-exchange.ts';
import { writeReply } from './node-reply.ts';
import { buildOpenApi, type OpenApiDocument } from './openapi.ts';
import { Pipeline, type HttpLog, type IdentityPort, type Observation } from './pipeline.ts';
import { createRequestIds } from './request-id.ts';

export interface HttpOptions {
  /** Shown by /health and in the OpenAPI document. */
  readonly version: string;
  /** Names, with or without port, that this server answers for besides the loopback ones; `*` for any. */
  readonly allowedHosts?: readonly string[];
  /** Parse every reply by its schema; a mismatch is an internal error. For tests. */
  readonly checkReplies?: boolean;
  readonly observe?: (observation: Observation) => void;
  /** Whether new requests should be sent here; told by /health/ready. Default always. */
  readonly isReady?: () => boolean;
  /** Told of calls that are refused before anything is known of them but their route. */
  readonly onShed?: (error: PlatformError) => void;
}

export interface HttpAppDeps {
  readonly capabilities: readonly Pick<Capability, 'name' | 'routes'>[];
  readonly identity: IdentityPort;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: HttpLog;
  /** Needed as soon as a route is idempotent: `createIdempotencyStore(records, clock)`. */
  readonly idempotency?: IdempotencyStore;
  readonly options: HttpOptions;
}

/** What node:http hands to a Hono handler. */
interface NodeBindings {
  readonly incoming?: IncomingMessage;
  readonly outgoing?: ServerResponse;
}

export interface HttpApp {
  readonly app: Hono<{ Bindings: NodeBindings }>;
  /** Answers a Fetch Request: for tests, and for hosts that speak Fetch. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** Everything that is served, in order of matching. */
  readonly routes: readonly CompiledRoute[];
  readonly openApi: () => OpenApiDocument;
  /** Used by `listen`. */
  readonly node: NodeSide;
}

/** The parts that exist only under node:http. */
export interface NodeSide {
  readonly hosts: HostPolicy;
  readonly watch: SlowBodyWatch;
  /** Set while the server closes: replies then end their connection. */
  closing: boolean;
  /** Ends the streams of events that are open. */
  readonly endless: Set<() => void>;
  /** Answers requests of fast routes; false = not one of them. */
  readonly tryFast: (incoming: IncomingMessage, outgoing: ServerResponse) => boolean;
  /** The reply to a request that could not even be turned into one. */
  readonly refuse: (incoming: IncomingMessage, outgoing: ServerResponse, thrown: Error) => void;
}

/**
 * Turns the capabilities' routes into one application. @throws {RouteDeclarationError} naming the route, when one
 * declares no permission, an unknown one, or what another route serves already.
 */
export function createHttpApp(deps: HttpAppDeps): HttpApp {
  const { clock, options } = deps;
  const startedMs = clock.monotonicMs();
  let document: OpenApiDocument | undefined;
  const openApi = () => (document ??= buildOpenApi(routes, options.version));
  const own = {
    name: 'http',
    routes: ownRoutes({
      version: options.version,
      uptimeMs: () => clock.monotonicMs() - startedMs,
      openApi,
      isReady: options.isReady ?? (() => true),
    }),
  };
  const routes = compileRoutes([own, ...deps.capabilities]);
  const needsStore = routes.find((compiled) => compiled.route.idempotent);
  if (needsStore && !deps.idempotency)
    throw new RouteDeclarationError(`${needsStore.name} is idempotent, but no idempotency store was given.`);
  const hosts = new HostPolicy(options.allowedHosts ?? []);
  const pipeline = new Pipeline({
    identity: deps.identity,
    clock,
    log: deps.log,
    hosts,
    requestId: createRequestIds(clock, deps.ids),
    idempotency: deps.idempotency,
    observe: options.observe,
    checkReplies: options.checkReplies ?? false,
  });
  const node = createNodeSide({ routes, pipeline, hosts, clock, log: deps.log, onShed: options.onShed ?? (() => {}) });
  const app = createHono(routes, pipeline, node, deps.log);
  return { app, fetch: async (request) => app.fetch(request), routes, openApi, node };
}

const HealthReply = z.object({ status: z.literal('ok'), version: z.string(), uptimeSeconds: z.number() });

const ReadyReply = z.object({ ready: z.boolean() });

function ownRoutes(facts: { version: string; uptimeMs: () => number; openApi: () => OpenApiDocument; isReady: () => boolean }) {
  return [
    defineRoute({
      method: 'GET',
      path: '/health',
      permission: 'public',
      summary: 'Whether the server answers',
      response: HealthReply,
      handle: async () => ({ status: 'ok' as const, version: facts.version, uptimeSeconds: Math.floor(facts.uptimeMs() / 1_000) }),
    }),
    defineRoute({
      method: 'GET',
      path: '/health/ready',
      permission: 'public',
      summary: 'Whether new requests should be sent here: 503 while the server starts or stops',
      response: ReadyReply,
      handle: async () =>
        facts.isReady()
          ? { ready: true }
          : new RawReply(JSON.stringify({ ready: false }), {
              contentType: 'application/json',
              status: 503,
              headers: { 'retry-after': '1' },
            }),
    }),
    defineRoute({
      method: 'GET',
      path: '/openapi.json',
      permission: 'public',
      summary: 'This description',
      response: z.record(z.string(), z.unknown()),
      handle: async () => facts.openApi(),
    }),
  ];
}

function createHono(routes: readonly CompiledRoute[], pipeline: Pipeline, node: NodeSide, log: HttpLog): HttpApp['app'] {
  const app = new Hono<{ Bindings: NodeBindings }>();
  type AppContext = Context<{ Bindings: NodeBindings }>;
  const exchangeOf = (context: AppContext): Exchange => {
    const { incoming, outgoing } = bindings(context);
    return incoming && outgoing ? new NodeExchange(incoming, outgoing, node.watch) : new FetchExchange(context.req.raw);
  };
  const send = (context: AppContext, reply: Reply): Response => {
    const { incoming, outgoing } = bindings(context);
    if (!incoming || !outgoing) return toResponse(reply);
    sendReply(incoming, outgoing, reply, node, log);
    return RESPONSE_ALREADY_SENT;
  };
  for (const compiled of routes) {
    app.on(compiled.method, compiled.path.replace(/\{([^}]+)\}/g, ':$1'), async (context) =>
      send(context, await pipeline.answer(compiled, context.req.param(), exchangeOf(context))),
    );
  }
  app.notFound((context) => {
    const exchange = exchangeOf(context);
    return send(context, pipeline.refuse(exchange, unmatched(routes, exchange), errorReplyNear(routes, exchange.path)));
  });
  app.onError((thrown, context) => send(context, pipeline.refuse(exchangeOf(context), thrown)));
  return app;
}

/** Hono's `env` is undefined when nobody gave one, whatever its type says. */
function bindings(context: { readonly env: NodeBindings | undefined }): NodeBindings {
  return context.env ?? {};
}

function unmatched(routes: readonly CompiledRoute[], exchange: Exchange): Error {
  const methods = routes.filter((compiled) => compiled.pattern.test(exchange.path)).map((compiled) => compiled.method);
  const allowed = METHODS.filter((method) => methods.includes(method));
  return allowed.length > 0 ? new MethodNotAllowedError(exchange.method, exchange.path, allowed) : new RouteNotFoundError(exchange.path);
}

/** Below the paths of a foreign protocol also what is not served is said in that protocol's way. */
function errorReplyNear(routes: readonly CompiledRoute[], path: string): Route['errorReply'] {
  const root = path.split('/')[1];
  return routes.find(({ route, path: served }) => route.errorReply && served.split('/')[1] === root)?.route.errorReply;
}

function sendReply(incoming: IncomingMessage, outgoing: ServerResponse, reply: Reply, node: NodeSide, log: HttpLog): void {
  const { requestId } = reply;
  const onStreamError = (error: unknown) => log.error('A streamed reply broke off.', { requestId, error });
  try {
    writeReply(incoming, outgoing, reply, { closing: node.closing, endless: node.endless, onStreamError });
  } catch (error) {
    log.error('A reply could not be written.', { requestId, error });
    outgoing.destroy();
  }
}

/** A request of a fast route, on its way to the pipeline. */
class FastCall {
  readonly compiled: CompiledRoute;
  readonly match: RegExpExecArray;
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;

  constructor(compiled: CompiledRoute, match: RegExpExecArray, incoming: IncomingMessage, outgoing: ServerResponse) {
    this.compiled = compiled;
    this.match = match;
    this.incoming = incoming;
    this.outgoing = outgoing;
  }
}

interface NodeParts {
  readonly routes: readonly CompiledRoute[];
  readonly pipeline: Pipeline;
  readonly hosts: HostPolicy;
  readonly clock: Clock;
  readonly log: HttpLog;
  readonly onShed: (error: PlatformError) => void;
}

function createNodeSide(parts: NodeParts): NodeSide {
  const { pipeline, log } = parts;
  const fast = parts.routes.filter((compiled) => compiled.route.fast && !compiled.inProject);
  const watch = new SlowBodyWatch(() => parts.clock.monotonicMs());
  const gate: CallGate<FastCall> = createGate(parts, watch, (call, reply) => sendReply(call.incoming, call.outgoing, reply, node, log));
  const node: NodeSide = {
    hosts: parts.hosts,
    watch,
    closing: false,
    endless: new Set(),
    tryFast(incoming, outgoing) {
      for (const compiled of fast) {
        if (compiled.method !== incoming.method) continue;
        // Only plain paths match: whatever is encoded, has a query or is otherwise unusual goes the general way.
        const match = compiled.pattern.exec(incoming.url ?? '');
        if (match === null) continue;
        gate.enter(new FastCall(compiled, match, incoming, outgoing));
        return true;
      }
      return false;
    },
    refuse(incoming, outgoing, thrown) {
      sendReply(incoming, outgoing, pipeline.refuse(new NodeExchange(incoming, outgoing, watch), thrown), node, log);
    },
  };
  return node;
}

/** The gate in front of the pipeline: health checks and management do not pass it, and never wait for calls. */
function createGate(
  { pipeline, clock, onShed }: NodeParts,
  watch: SlowBodyWatch,
  send: (call: FastCall, reply: Reply) => void,
): CallGate<FastCall> {
  const gate = new CallGate<FastCall>({
    nowMs: () => clock.monotonicMs(),
    busyMs: () => performance.eventLoopUtilization().active,
    nextTurn: setImmediate,
    connection: ({ incoming }) => incoming.socket as Connection,
    header(call, name) {
      const value = call.incoming.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    begin(call) {
      const { compiled, match, incoming, outgoing } = call;
      void pipeline.answer(compiled, groupsOf(compiled, match), new NodeExchange(incoming, outgoing, watch)).then((reply) => {
        gate.leave();
        send(call, reply);
      });
    },
    refuse(call, error) {
      const { compiled, incoming, outgoing } = call;
      onShed(error);
      send(call, pipeline.refuse(new NodeExchange(incoming, outgoing, watch), error, compiled.route.errorReply));
    },
  });
  return gate;
}

function groupsOf(compiled: CompiledRoute, match: RegExpExecArray): Record<string, string> {
  const params: Record<string, string> = {};
  compiled.parameters.forEach((name, index) => {
    params[name] = match[index + 1] as string;
  });
  return params;
}
