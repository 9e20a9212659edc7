import {
  type Capability,
  DEADLINE_HEADER,
  PRIORITY_HEADER,
  RawReply,
  type Route,
  type RouteCall,
  defineRoute,
  readDeadline,
  readPriority,
} from '@slipway/kernel';
import { z } from 'zod';
import {
  IndexBody,
  IndexRequest,
  InferReplyBody,
  InferRequestBody,
  LoadBody,
  ModelConfigBody,
  ModelMetadataBody,
  ModelParams,
  ModelReadyBody,
  ModelsBody,
  ServerMetadataBody,
  StatisticsBody,
  VersionParams,
} from './contract.ts';
import { type Caller, EXTENSIONS, type ModelAddress, type OpenInference, SERVER_NAME } from './open-inference.ts';
import { JSON_LENGTH_HEADER, readJson, readRest, restError, writeRest } from './rest-codec.ts';

/** Largest body of one infer request, as on /v1. */
export const INFER_BODY_LIMIT_BYTES = 8 * 1024 * 1024;

/** The REST half of the protocol. */
export function openInferenceCapability(service: OpenInference): Capability {
  const routes = [...serverRoutes(service), ...repositoryRoutes(service), ...modelRoutes(service)];
  return { name: 'open-inference', routes: routes.map((route): Route => ({ ...route, errorReply: restError })) };
}

function serverRoutes(service: OpenInference): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v2',
      permission: 'public',
      summary: 'The server and its extensions of the Open Inference Protocol.',
      response: ServerMetadataBody,
      handle: async () => ({ name: SERVER_NAME, version: service.version, extensions: [...EXTENSIONS] }),
    }),
    defineRoute({
      method: 'GET',
      path: '/v2/health/live',
      permission: 'public',
      summary: 'Whether the server runs.',
      response: z.object({ live: z.boolean() }),
      handle: async () => ({ live: true }),
    }),
    defineRoute({
      method: 'GET',
      path: '/v2/health/ready',
      permission: 'public',
      summary: 'Whether the server takes requests.',
      response: z.object({ ready: z.boolean() }),
      handle: async () => {
        const ready = service.isReady();
        return ready ? { ready } : notReady({ ready });
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/v2/models',
      permission: 'predict',
      summary: 'The names of the models: every release of the project.',
      response: ModelsBody,
      handle: async ({ project }) => ({ models: await service.names(project) }),
    }),
    defineRoute({
      method: 'GET',
      path: '/v2/models/stats',
      permission: 'predict',
      summary: 'What this process has counted of every model.',
      response: StatisticsBody,
      handle: async ({ project }) => statisticsBody(await service.statistics(project, {})),
    }),
  ];
}

function statisticsBody(model_stats: Awaited<ReturnType<OpenInference['statistics']>>): z.input<typeof StatisticsBody> {
  return {
    model_stats: model_stats.map((each) => ({ ...each, inference_stats: { ...each.inference_stats }, batch_stats: [...each.batch_stats] })),
  };
}

function repositoryRoutes(service: OpenInference): Route[] {
  return [
    defineRoute({
      method: 'POST',
      path: '/v2/repository/index',
      permission: 'predict',
      summary: 'Every model with the revisions that its traffic goes to, and whether it is loaded here.',
      body: IndexRequest,
      bodyKind: 'bytes',
      response: IndexBody,
      handle: async ({ project, body }) => service.index(project, { readyOnly: readJson(bytesOf(body), IndexRequest).ready }),
    }),
    defineRoute({
      method: 'POST',
      path: '/v2/repository/models/{model}/load',
      permission: 'release.write',
      summary: 'Load a model into this process, and let it answer again when it was unloaded.',
      params: ModelParams,
      bodyKind: 'bytes',
      response: LoadBody,
      async handle({ project, params }) {
        await service.load(project, params.model);
        return { name: params.model, load: true };
      },
    }),
    defineRoute({
      method: 'POST',
      path: '/v2/repository/models/{model}/unload',
      permission: 'release.write',
      summary: 'Take a model out of the memory of this process; over this protocol it does not answer until it is loaded.',
      params: ModelParams,
      bodyKind: 'bytes',
      response: LoadBody,
      async handle({ project, params }) {
        await service.unload(project, params.model);
        return { name: params.model, unload: true };
      },
    }),
  ];
}

/** With `bodyKind: 'bytes'` the body is handed over unread, whatever its schema describes. */
function bytesOf(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  throw new Error('Broken invariant: a route of bytes gets bytes');
}

/** Every model route exists with and without a version. */
function modelRoutes(service: OpenInference): Route[] {
  return [
    ...routesAt(service, '/v2/models/{model}', ModelParams),
    ...routesAt(service, '/v2/models/{model}/versions/{version}', VersionParams),
  ];
}

function routesAt(service: OpenInference, path: string, params: z.ZodType<ModelAddress>): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path,
      permission: 'predict',
      summary: 'The inputs and outputs of a model as tensors.',
      params,
      response: ModelMetadataBody,
      handle: async ({ project, params: address }) => {
        const { inputs, outputs, versions, ...rest } = await service.metadata(project, address);
        const shown = (tensors: typeof inputs) => tensors.map((tensor) => ({ ...tensor, shape: [...tensor.shape] }));
        return { ...rest, versions: [...versions], inputs: shown(inputs), outputs: shown(outputs) };
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${path}/config`,
      permission: 'predict',
      summary: "A model's tensors and limits as Triton's model configuration.",
      params,
      response: ModelConfigBody,
      handle: async ({ project, params: address }) => {
        const { input, output, ...rest } = await service.config(project, address);
        const shown = <T extends { readonly dims: readonly number[] }>(tensor: T) => ({ ...tensor, dims: [...tensor.dims] });
        return { ...rest, input: input.map(shown), output: output.map(shown) };
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${path}/ready`,
      permission: 'predict',
      summary: 'Whether a model can answer; loads it.',
      params,
      response: ModelReadyBody,
      handle: async ({ project, params: address }) => {
        const ready = await service.ready(project, address);
        const body = { name: address.model, ready };
        return ready ? body : notReady(body);
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${path}/stats`,
      permission: 'predict',
      summary: 'What this process has counted of a model over this protocol.',
      params,
      response: StatisticsBody,
      handle: async ({ project, params: address }) => statisticsBody(await service.statistics(project, address)),
    }),
    defineRoute({
      method: 'POST',
      path: `${path}/infer`,
      permission: 'predict',
      summary: 'Predict for tensors, in JSON or with raw numbers after the JSON.',
      params,
      body: InferRequestBody,
      bodyKind: 'bytes',
      bodyLimitBytes: INFER_BODY_LIMIT_BYTES,
      fast: true,
      admit: ({ project, params: address, header }) => service.admit(address, { project, ...wishOf(header) }),
      response: InferReplyBody,
      handle: async (call) => {
        const { request, isBinary } = readRest(call.params, bytesOf(call.body), call.header(JSON_LENGTH_HEADER));
        return writeRest(await service.infer(request, new RestCaller(call)), isBinary);
      },
    }),
  ];
}

/** Clients of this protocol go by the status. */
function notReady(body: object): RawReply {
  return new RawReply(JSON.stringify(body), { contentType: 'application/json', status: 503, headers: { 'retry-after': '1' } });
}

/** How pressing a request is, by its headers: the same as on /v1. */
function wishOf(header: RouteCall['header']): Pick<Caller, 'priority' | 'timeoutMs'> {
  return { priority: readPriority(header(PRIORITY_HEADER)), timeoutMs: readDeadline(header(DEADLINE_HEADER), 0) };
}

/** Who calls over REST. A class, because its signal stays unmade until a servable asks: an AbortController a call costs more than reading the tensors. */
class RestCaller implements Caller {
  readonly project: string;
  readonly principal: Caller['principal'];
  readonly requestId: string;
  readonly traceparent: string | undefined;
  readonly priority: Caller['priority'];
  readonly timeoutMs: number | undefined;
  readonly #call: RouteCall;

  constructor(call: RouteCall) {
    const { header } = call;
    const { priority, timeoutMs } = wishOf(header);
    this.project = call.project;
    this.principal = call.principal;
    this.requestId = call.requestId;
    this.traceparent = header('traceparent');
    this.priority = priority;
    this.timeoutMs = timeoutMs;
    this.#call = call;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }
}
