import type * as Grpc from '@grpc/grpc-js';
import type { ServiceDefinition } from '@grpc/proto-loader';
import {
  type ErrorKind,
  PRIORITY_HEADER,
  type Permission,
  type Principal,
  type Priority,
  readPriority,
  toErrorBody,
} from '@slipway/kernel';
import { INFER_BODY_LIMIT_BYTES } from './capability.ts';
import { addressOf, readGrpc, writeGrpc } from './grpc-codec.ts';
import { GRPC_SCHEMA, SERVICE_NAME } from './grpc-schema.ts';
import { type Caller, EXTENSIONS, type OpenInference, SERVER_NAME } from './open-inference.ts';

/** Requests of one connection at once. */
export const CONCURRENT_STREAMS_LIMIT = 1_000;
/** Requests of one stream that wait for their turn. */
export const STREAM_QUEUE_LIMIT = 100;
const METADATA_LIMIT_BYTES = 16_384;
/** How long a graceful close waits for calls under way. */
const DRAIN_MS = 10_000;
/** Room for what a message holds besides its tensors. */
const MESSAGE_LIMIT_BYTES = INFER_BODY_LIMIT_BYTES;

export interface GrpcServerDeps {
  readonly service: OpenInference;
  /** Who calls, by the value of the `authorization` metadata. @throws what the HTTP side throws for the same key. */
  readonly authorize: (
    authorization: string | undefined,
    permission: Permission,
  ) => Promise<{ readonly principal: Principal; readonly project: string }>;
  /** The caller's request id when it is fit, else a new one. */
  readonly requestId: (given: string | undefined) => string;
  /** Told of failures that callers must not see. */
  readonly onProblem: (error: unknown, facts: { readonly method: string; readonly requestId: string }) => void;
  /** Told of every answered call. */
  readonly observe?: (method: string, code: string) => void;
}

export interface GrpcListening {
  readonly host: string;
  readonly port: number;
  /** Lets calls under way end, within a limit. */
  close(): Promise<void>;
}

type Unary = (request: Record<string, unknown>, caller: Caller) => Promise<object>;

interface UnaryMethod {
  readonly permission: Permission | 'public';
  readonly answer: Unary;
}

/**
 * Serves the gRPC half of the protocol, without TLS as the HTTP side. Loads gRPC only when called.
 * @throws the socket's error when the port is taken.
 */
export async function listenGrpc(deps: GrpcServerDeps, where: { readonly host: string; readonly port: number }): Promise<GrpcListening> {
  const [grpc, { fromJSON }] = await Promise.all([import('@grpc/grpc-js'), import('@grpc/proto-loader')]);
  // protobufjs types namespaces as if they had to be messages too.
  const schema = GRPC_SCHEMA as unknown as Parameters<typeof fromJSON>[0];
  const definition = fromJSON(schema, { keepCase: true, longs: String, defaults: true, oneofs: true })[SERVICE_NAME] as ServiceDefinition;
  const server = new grpc.Server({
    'grpc.max_receive_message_length': MESSAGE_LIMIT_BYTES,
    'grpc.max_concurrent_streams': CONCURRENT_STREAMS_LIMIT,
    'grpc.max_metadata_size': METADATA_LIMIT_BYTES,
    // The library's own statistics of connections, which nothing here serves.
    'grpc.enable_channelz': 0,
  });
  const methods = Object.entries(unaryMethods(deps.service)).map(([name, method]) => [name, unaryHandler(grpc, deps, name, method)]);
  server.addService(definition, {
    ...Object.fromEntries(methods),
    ModelStreamInfer: streamHandler(grpc, deps),
  } as Grpc.UntypedServiceImplementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${where.host}:${where.port}`, grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  let closed: Promise<void> | undefined;
  return { host: where.host, port, close: () => (closed ??= closeServer(server)) };
}

function closeServer(server: Grpc.Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, DRAIN_MS);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Permissions as on the REST side. */
function unaryMethods(service: OpenInference): Readonly<Record<string, UnaryMethod>> {
  const open = (answer: Unary): UnaryMethod => ({ permission: 'public', answer });
  const predict = (answer: Unary): UnaryMethod => ({ permission: 'predict', answer });
  const change = (answer: Unary): UnaryMethod => ({ permission: 'release.write', answer });
  const named = (request: Record<string, unknown>) => addressOf({ name: request['name'], version: request['version'] });
  const modelOf = (request: Record<string, unknown>) => addressOf({ name: request['model_name'] || request['repository_name'] }).model;
  return {
    ServerLive: open(async () => ({ live: true })),
    ServerReady: open(async () => ({ ready: service.isReady() })),
    ServerMetadata: open(async () => ({ name: SERVER_NAME, version: service.version, extensions: EXTENSIONS })),
    ModelReady: predict(async (request, { project }) => ({ ready: await service.ready(project, named(request)) })),
    ModelMetadata: predict((request, { project }) => service.metadata(project, named(request))),
    ModelConfig: predict(async (request, { project }) => ({ config: await service.config(project, named(request)) })),
    ModelInfer: predict((request, caller) => infer(service, request, caller)),
    ModelStatistics: predict(async (request, { project }) => ({
      model_stats: await service.statistics(project, request['name'] === '' ? {} : named(request)),
    })),
    RepositoryIndex: predict(async ({ ready }, { project }) => ({ models: await service.index(project, { readyOnly: ready === true }) })),
    RepositoryModelLoad: change(async (request, { project }) => {
      await service.load(project, modelOf(request));
      return { model_name: modelOf(request), isLoaded: true };
    }),
    RepositoryModelUnload: change(async (request, { project }) => {
      await service.unload(project, modelOf(request));
      return { model_name: modelOf(request), isUnloaded: true };
    }),
  };
}

async function infer(service: OpenInference, message: Record<string, unknown>, caller: Caller): Promise<object> {
  service.admit(addressOf({ name: message['model_name'], version: message['model_version'] }), caller);
  const { request, isRaw } = readGrpc(message);
  return writeGrpc(await service.infer(request, caller), isRaw);
}

type AnyCall = Grpc.ServerUnaryCall<Record<string, unknown>, object> | Grpc.ServerDuplexStream<Record<string, unknown>, object>;

function unaryHandler(
  grpc: typeof Grpc,
  deps: GrpcServerDeps,
  name: string,
  { permission, answer }: UnaryMethod,
): Grpc.handleUnaryCall<Record<string, unknown>, object> {
  return async (call, respond) => {
    const requestId = deps.requestId(headerOf(call, 'x-request-id'));
    let reply: object | undefined;
    let failure: CallFailure | null = null;
    try {
      reply = await answer(call.request, permission === 'public' ? nobody(requestId) : await callerOf(deps, call, permission, requestId));
    } catch (error) {
      failure = failureOf(grpc, deps, error, { method: name, requestId });
    }
    deps.observe?.(name, failure ? grpc.status[failure.code] : 'OK');
    respond(failure, reply);
  };
}

type CallFailure = Pick<Grpc.StatusObject, 'code' | 'details' | 'metadata'>;

const nobody = (requestId: string): Caller => ({
  project: '',
  principal: { id: 'anonymous', project: '', role: 'viewer', instance: false, label: 'nobody' },
  requestId,
});

async function callerOf(deps: GrpcServerDeps, call: AnyCall, permission: Permission, requestId: string): Promise<Caller> {
  const { principal, project } = await deps.authorize(headerOf(call, 'authorization'), permission);
  return new GrpcCaller(call, { principal, project, requestId });
}

/** The signal is made when a servable asks for it. */
class GrpcCaller implements Caller {
  readonly principal: Principal;
  readonly project: string;
  readonly requestId: string;
  readonly #call: AnyCall;
  #signal: AbortSignal | undefined;

  constructor(call: AnyCall, facts: Pick<Caller, 'principal' | 'project' | 'requestId'>) {
    this.principal = facts.principal;
    this.project = facts.project;
    this.requestId = facts.requestId;
    this.#call = call;
  }

  get traceparent(): string | undefined {
    return headerOf(this.#call, 'traceparent');
  }

  get priority(): Priority | undefined {
    return readPriority(headerOf(this.#call, PRIORITY_HEADER));
  }

  /** What is left of the caller's deadline. */
  get timeoutMs(): number | undefined {
    const deadline = Number(this.#call.getDeadline());
    return Number.isFinite(deadline) ? deadline - Date.now() : undefined;
  }

  get signal(): AbortSignal {
    if (this.#signal) return this.#signal;
    const controller = new AbortController();
    this.#signal = controller.signal;
    if (this.#call.cancelled) controller.abort();
    else this.#call.once('cancelled', () => controller.abort());
    return controller.signal;
  }
}

function headerOf(call: AnyCall, name: string): string | undefined {
  const value = call.metadata.get(name)[0];
  return value === undefined ? undefined : String(value);
}

const CODES: Readonly<Record<ErrorKind, keyof typeof Grpc.status>> = {
  invalid: 'INVALID_ARGUMENT',
  unauthenticated: 'UNAUTHENTICATED',
  forbidden: 'PERMISSION_DENIED',
  notFound: 'NOT_FOUND',
  conflict: 'FAILED_PRECONDITION',
  gateFailed: 'FAILED_PRECONDITION',
  tooLarge: 'OUT_OF_RANGE',
  limited: 'RESOURCE_EXHAUSTED',
  unavailable: 'UNAVAILABLE',
  timeout: 'DEADLINE_EXCEEDED',
  internal: 'INTERNAL',
};

/** The same words as over HTTP; what is not meant for callers goes to the log. */
function failureOf(grpc: typeof Grpc, deps: GrpcServerDeps, thrown: unknown, facts: { method: string; requestId: string }): CallFailure {
  const { error } = toErrorBody(thrown, facts.requestId);
  if (error.kind === 'internal') deps.onProblem(thrown, facts);
  const metadata = new grpc.Metadata();
  metadata.set('x-request-id', facts.requestId);
  metadata.set('x-error-code', error.code);
  return { code: grpc.status[CODES[error.kind]], details: error.help ? `${error.message} ${error.help}` : error.message, metadata };
}

/** Answers the requests of a stream one after the other; a request that fails says so in its reply, and the stream goes on. */
function streamHandler(grpc: typeof Grpc, deps: GrpcServerDeps): Grpc.handleBidiStreamingCall<Record<string, unknown>, object> {
  return (call) => {
    const requestId = deps.requestId(headerOf(call, 'x-request-id'));
    let waiting = 0;
    let turn: Promise<unknown> = callerOf(deps, call, 'predict', requestId);
    const caller = turn as Promise<Caller>;
    caller.catch((error: unknown) => {
      // gRPC takes the status of a stream from the error that is emitted on it.
      call.emit('error', failureOf(grpc, deps, error, { method: 'ModelStreamInfer', requestId }));
    });
    const answer = async (message: Record<string, unknown>) => {
      try {
        call.write({ error_message: '', infer_response: await infer(deps.service, message, await caller) });
        deps.observe?.('ModelStreamInfer', 'OK');
      } catch (error) {
        const { details, code } = failureOf(grpc, deps, error, { method: 'ModelStreamInfer', requestId });
        deps.observe?.('ModelStreamInfer', grpc.status[code]);
        // The id tells the client which of its requests failed.
        call.write({ error_message: details, infer_response: { id: String(message['id'] ?? '').slice(0, 256) } });
      }
      waiting -= 1;
      if (waiting < STREAM_QUEUE_LIMIT && call.isPaused()) call.resume();
    };
    call.on('data', (message: Record<string, unknown>) => {
      waiting += 1;
      if (waiting >= STREAM_QUEUE_LIMIT) call.pause();
      turn = turn.then(() => answer(message));
      turn.catch(() => {});
    });
    call.on('end', () => void turn.then(() => call.end()).catch(() => {}));
  };
}
