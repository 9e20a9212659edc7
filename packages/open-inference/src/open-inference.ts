import type { Clock, Principal, Priority } from '@slipway/kernel';
import {
  type Answered,
  type Answering,
  type AnswerRequest,
  type LiveRoute,
  type MemoryState,
  type Releases,
  type Routing,
  liveRevision,
} from '@slipway/releases';
import type { Parameters, Tensor } from './datatypes.ts';
import { AnswerPendingError, InferRequestError, ModelUnloadedError, ModelVersionNotFoundError } from './errors.ts';
import { type ModelConfig, modelConfigOf } from './model-config.ts';
import { type RequestedOutput, type RowAnswer, checkRequested, outputsOf } from './outputs.ts';
import { rowsOf } from './rows.ts';
import { type Signature, type TensorMetadata, signatureFor } from './signature.ts';
import { type ModelStatistics, Statistics } from './statistics.ts';

/** Most models that an index or a list shows. */
export const INDEX_LIMIT = 1_000;
/** Versions named by id whose revision is remembered. */
const VERSION_IDS_LIMIT = 1_000;
const PAGE_SIZE = 500;

export const SERVER_NAME = 'slipway';
export const EXTENSIONS: readonly string[] = [
  'binary_tensor_data',
  'classification',
  'model_configuration',
  'model_repository',
  'model_repository(unload_dependents)',
  'statistics',
];

/** On whose behalf something is asked. `signal` is read only when a servable asks for it. */
export interface Caller {
  readonly project: string;
  readonly principal: Principal;
  readonly requestId: string;
  readonly signal?: AbortSignal | undefined;
  readonly traceparent?: string | undefined;
  /** How long the caller will wait, when its transport says so. */
  readonly timeoutMs?: number | undefined;
  /** Default interactive. */
  readonly priority?: Priority | undefined;
}

/** A release, and which revision of it: its number, a version's id, or (empty) whatever its traffic says. */
export interface ModelAddress {
  readonly model: string;
  readonly version?: string | undefined;
}

export interface InferRequest extends ModelAddress {
  readonly id?: string | undefined;
  /** `timeout` (microseconds), and for the record `unit`, `subject`, `event_time`. */
  readonly parameters: Parameters;
  /** Reads the inputs; called once the signature is known. */
  readonly inputs: (signature: Signature) => readonly Tensor[];
  readonly outputs?: readonly RequestedOutput[] | undefined;
}

export interface InferReply {
  readonly model: string;
  /** The revision that answered. */
  readonly version: string;
  readonly id: string | undefined;
  readonly outputs: readonly Tensor[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

export interface ModelIndexEntry {
  readonly name: string;
  readonly version: string;
  readonly state: 'READY' | 'UNAVAILABLE';
  readonly reason: string;
}

/** What both transports speak for. Every method acts within the project it is given. */
export interface OpenInference {
  readonly version: string;
  /** Whether the server takes new requests: not while it starts or stops. */
  isReady(): boolean;
  /** Refuses a request that its model's queue would refuse anyway, before its tensors are read. @throws {OverloadedError} */
  admit(address: ModelAddress, caller: Pick<Caller, 'project' | 'priority' | 'timeoutMs'>): void;
  /** Answers by the same path as `/v1/releases/{name}/predict`: routed, recorded, checked by the contract. */
  infer(request: InferRequest, caller: Caller): Promise<InferReply>;
  metadata(project: string, address: ModelAddress): Promise<ModelMetadata>;
  /** The same as Triton's configuration of a model. */
  config(project: string, address: ModelAddress): Promise<ModelConfig>;
  /** Whether the model can answer now; loads it. @throws NotFoundError when there is none. */
  ready(project: string, address: ModelAddress): Promise<boolean>;
  names(project: string): Promise<string[]>;
  index(project: string, options: { readonly readyOnly: boolean }): Promise<ModelIndexEntry[]>;
  /** Loads a release, and lets it answer again when it was unloaded. */
  load(project: string, model: string): Promise<void>;
  /** Takes a release out of this process's memory; over this protocol it does not answer until it is loaded. */
  unload(project: string, model: string): Promise<void>;
  statistics(project: string, address: Partial<ModelAddress>): Promise<ModelStatistics[]>;
}

export interface OpenInferenceDeps {
  readonly answering: Pick<Answering, 'answer' | 'admit'>;
  readonly routing: Pick<Routing, 'peek' | 'resolve' | 'pinned' | 'unload' | 'states'>;
  readonly releases: Pick<Releases, 'get' | 'list'>;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  /** The server's own version. */
  readonly version: string;
  /** Default always. */
  readonly isReady?: () => boolean;
}

export function createOpenInference(deps: OpenInferenceDeps): OpenInference {
  return new Service(deps);
}

class Service implements OpenInference {
  readonly version: string;
  readonly #deps: OpenInferenceDeps;
  readonly #statistics = new Statistics();
  readonly #unloaded = new Set<string>();
  readonly #revisions = new Map<string, number>();

  constructor(deps: OpenInferenceDeps) {
    this.#deps = deps;
    this.version = deps.version;
  }

  isReady(): boolean {
    return this.#deps.isReady?.() ?? true;
  }

  admit({ model, version }: ModelAddress, { project, priority, timeoutMs }: Pick<Caller, 'project' | 'priority' | 'timeoutMs'>): void {
    // A named revision has a queue of its own, which is asked when the call is answered.
    if (version !== undefined && version !== '') return;
    const deadlineMs = timeoutMs === undefined ? undefined : this.#deps.clock.monotonicMs() + timeoutMs;
    this.#deps.answering.admit({ project, release: model, priority, deadlineMs });
  }

  async infer(request: InferRequest, caller: Caller): Promise<InferReply> {
    const { project } = caller;
    const startNs = process.hrtime.bigint();
    const { route, pinned } = await this.#routeOf(project, request);
    let version = String(pinned ?? liveRevision(route.arms));
    try {
      const signature = signatureFor(loadedOf(route, Number(version)).servable);
      checkRequested(signature, request.outputs);
      const rows = rowsOf(signature, request.inputs(signature));
      const readNs = process.hrtime.bigint();
      const answered = await this.#deps.answering.answer(
        new InferCall(caller, request, { rows, revision: pinned, nowMs: this.#deps.clock.monotonicMs() }),
      );
      version = String(answered.revision);
      const inferNs = process.hrtime.bigint();
      const outputs = outputsOf(await this.#answeredBy(project, route, answered), answersOf(answered), request.outputs);
      const times = {
        inputNs: Number(readNs - startNs),
        inferNs: Number(inferNs - readNs),
        outputNs: Number(process.hrtime.bigint() - inferNs),
      };
      this.#statistics.succeeded({ project, model: request.model, version }, rows.length, times, this.#deps.clock.nowMs());
      return { model: request.model, version, id: request.id, outputs };
    } catch (error) {
      this.#statistics.failed({ project, model: request.model, version }, Number(process.hrtime.bigint() - startNs));
      throw error;
    }
  }

  async config(project: string, address: ModelAddress): Promise<ModelConfig> {
    return modelConfigOf(await this.metadata(project, address), SERVER_NAME);
  }

  async metadata(project: string, address: ModelAddress): Promise<ModelMetadata> {
    const { route, pinned } = await this.#routeOf(project, address);
    const { servable, revision } = loadedOf(route, pinned ?? liveRevision(route.arms));
    const { inputs, outputs } = signatureFor(servable);
    const { revisions } = await this.#deps.releases.get(project, address.model);
    return {
      name: address.model,
      versions: revisions.map(({ number }) => String(number)),
      platform: `${SERVER_NAME}_${revision.kind}`,
      inputs,
      outputs: outputs.map(({ name, datatype, shape, parameters }) => ({ name, datatype, shape, ...(parameters ? { parameters } : {}) })),
    };
  }

  async ready(project: string, address: ModelAddress): Promise<boolean> {
    if (this.#unloaded.has(`${project}/${address.model}`)) return false;
    // Asking whether a model is ready must not push another one out of memory.
    if (await this.#hasBeenLoaded(project, address)) return true;
    try {
      await this.#routeOf(project, address);
      return true;
    } catch (error) {
      if (isUnavailable(error)) return false;
      throw error;
    }
  }

  async names(project: string): Promise<string[]> {
    return (await this.#releases(project)).map(({ name }) => name);
  }

  async index(project: string, { readyOnly }: { readonly readyOnly: boolean }): Promise<ModelIndexEntry[]> {
    const releases = await this.#releases(project);
    const states = this.#deps.routing.states(project);
    const entries = releases.flatMap(({ name, traffic }) => {
      const isUnloaded = this.#unloaded.has(`${project}/${name}`);
      return traffic.map(({ revision }): ModelIndexEntry => ({
        name,
        version: String(revision),
        ...(isUnloaded ? UNLOADED : stateOf(states.get(`${name}@${revision}`))),
      }));
    });
    return readyOnly ? entries.filter(({ state }) => state === 'READY') : entries;
  }

  async load(project: string, model: string): Promise<void> {
    await this.#deps.routing.resolve(project, model);
    this.#unloaded.delete(`${project}/${model}`);
  }

  async unload(project: string, model: string): Promise<void> {
    await this.#deps.releases.get(project, model);
    this.#unloaded.add(`${project}/${model}`);
    this.#deps.routing.unload(project, model);
  }

  async statistics(project: string, { model, version }: Partial<ModelAddress>): Promise<ModelStatistics[]> {
    if (model === undefined || model === '') return this.#statistics.called(project, undefined).map((key) => this.#statistics.read(key));
    const release = await this.#deps.releases.get(project, model);
    if (version !== undefined && version !== '') {
      const number = await this.#revisionOf(project, { model, version });
      if (!release.revisions.some((revision) => revision.number === number)) throw new ModelVersionNotFoundError(model, version);
      return [this.#statistics.read({ project, model, version: String(number) })];
    }
    const called = this.#statistics.called(project, model);
    if (called.length > 0) return called.map((key) => this.#statistics.read(key));
    return release.traffic.map((arm) => this.#statistics.read({ project, model, version: String(arm.revision) }));
  }

  /** The revision named by number or version id; undefined for whatever the traffic says. */
  async #revisionOf(project: string, { model, version }: ModelAddress): Promise<number | undefined> {
    if (version === undefined || version === '') return undefined;
    if (/^[1-9]\d{0,8}$/.test(version)) return Number(version);
    const key = JSON.stringify([project, model, version]);
    const known = this.#revisions.get(key);
    if (known !== undefined) return known;
    const { revisions } = await this.#deps.releases.get(project, model);
    // Newest first: of several revisions of one version the newest answers.
    const found = revisions.find((revision) => revision.version === version);
    if (!found) throw new ModelVersionNotFoundError(model, version);
    if (this.#revisions.size < VERSION_IDS_LIMIT) this.#revisions.set(key, found.number);
    return found.number;
  }

  async #routeOf(project: string, address: ModelAddress): Promise<{ route: LiveRoute; pinned: number | undefined }> {
    if (this.#unloaded.has(`${project}/${address.model}`)) throw new ModelUnloadedError(address.model);
    const { routing } = this.#deps;
    const pinned = await this.#revisionOf(project, address);
    if (pinned !== undefined) return { route: await routing.pinned(project, address.model, pinned), pinned };
    return { route: routing.peek(project, address.model) ?? (await routing.resolve(project, address.model)), pinned };
  }

  /** The route may have changed while the call was answered: the outputs are those of the revision that answered. */
  async #answeredBy(project: string, route: LiveRoute, { release, revision }: Answered): Promise<Signature> {
    const loaded = route.loaded.get(revision) ?? loadedOf(await this.#deps.routing.pinned(project, release, revision), revision);
    return signatureFor(loaded.servable);
  }

  /** Whether every revision that would answer is in memory, or was and has made room: its next call loads it. */
  async #hasBeenLoaded(project: string, address: ModelAddress): Promise<boolean> {
    const { model } = address;
    const pinned = await this.#revisionOf(project, address);
    if (pinned === undefined && this.#deps.routing.peek(project, model)) return true;
    const states = this.#deps.routing.states(project);
    if (states.size === 0) return false;
    const numbers =
      pinned === undefined ? (await this.#deps.releases.get(project, model)).traffic.map(({ revision }) => revision) : [pinned];
    return numbers.length > 0 && numbers.every((number) => states.has(`${model}@${number}`));
  }

  async #releases(project: string) {
    const found = [];
    let cursor: string | undefined;
    do {
      const page = await this.#deps.releases.list(project, { limit: PAGE_SIZE, ...(cursor === undefined ? {} : { cursor }) });
      found.push(...page.items.filter(({ traffic }) => traffic.length > 0));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined && found.length < INDEX_LIMIT);
    return found.slice(0, INDEX_LIMIT);
  }
}

const UNLOADED = { state: 'UNAVAILABLE', reason: 'unloaded' } as const;

function stateOf(state: MemoryState | undefined): Pick<ModelIndexEntry, 'state' | 'reason'> {
  if (state === 'loaded') return { state: 'READY', reason: '' };
  const reason =
    state === 'made-room' ? 'made room for other models; its next call loads it again' : 'not loaded yet; its first call loads it';
  return { state: 'UNAVAILABLE', reason };
}

function isUnavailable(error: unknown): boolean {
  return error instanceof Error && 'kind' in error && error.kind !== 'notFound' && error.kind !== 'invalid';
}

function loadedOf(route: LiveRoute, revision: number | undefined) {
  const loaded = revision === undefined ? undefined : route.loaded.get(revision);
  if (!loaded) throw new Error('Broken invariant: every arm of a live route is loaded');
  return loaded;
}

/** The protocol has no place for one row's failure: it fails the request, though every row has been recorded. */
function answersOf({ results }: Answered): RowAnswer[] {
  return results.map(({ invocation, result }) => {
    if (result.status === 'error') throw result.error;
    if (result.status === 'pending') throw new AnswerPendingError(result.run);
    return { invocation, output: result.output };
  });
}

/** A call as the answer path takes it; the signal is made when a servable asks for it. */
class InferCall implements AnswerRequest {
  readonly project: string;
  readonly principal: Principal;
  readonly requestId: string;
  readonly traceparent: string | undefined;
  readonly release: string;
  readonly revision: number | undefined;
  readonly inputs: readonly unknown[];
  readonly unit: string | undefined;
  readonly subject: string | undefined;
  readonly eventTime: string | number | undefined;
  readonly deadlineMs: number | undefined;
  readonly priority: Priority | undefined;
  readonly #caller: Caller;

  constructor(
    caller: Caller,
    { model, parameters }: InferRequest,
    call: { rows: readonly unknown[]; revision: number | undefined; nowMs: number },
  ) {
    this.project = caller.project;
    this.principal = caller.principal;
    this.requestId = caller.requestId;
    this.traceparent = caller.traceparent;
    this.release = model;
    this.revision = call.revision;
    this.inputs = call.rows;
    this.unit = textParameter(parameters, 'unit');
    this.subject = textParameter(parameters, 'subject');
    this.eventTime = timeParameter(parameters);
    const timeoutMs = Math.min(timeoutParameter(parameters), caller.timeoutMs ?? Number.POSITIVE_INFINITY);
    this.deadlineMs = timeoutMs === Number.POSITIVE_INFINITY ? undefined : call.nowMs + timeoutMs;
    this.priority = caller.priority;
    this.#caller = caller;
  }

  get signal(): AbortSignal | undefined {
    return this.#caller.signal;
  }
}

/** Longest unit or subject, as on /v1. */
const PARAMETER_TEXT_LIMIT = 256;

function textParameter(parameters: Parameters, name: string): string | undefined {
  const value = parameters[name];
  if (value === undefined || value === null) return undefined;
  if (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= PARAMETER_TEXT_LIMIT &&
    value.isWellFormed() &&
    !value.includes('\0')
  )
    return value;
  throw parameterError(name, `text of 1 to ${PARAMETER_TEXT_LIMIT} characters`);
}

function timeParameter(parameters: Parameters): string | number | undefined {
  const value = parameters['event_time'];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' || typeof value === 'number') return value;
  throw parameterError('event_time', 'an RFC 3339 time or whole milliseconds since 1970');
}

/** Milliseconds that the answer may take, from microseconds as Triton counts them; 0 and nothing = no limit. */
function timeoutParameter(parameters: Parameters): number {
  const value = parameters['timeout'];
  if (value === undefined || value === null || value === 0) return Number.POSITIVE_INFINITY;
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value / 1_000;
  throw parameterError('timeout', 'a positive number of microseconds');
}

function parameterError(name: string, expected: string): InferRequestError {
  return new InferRequestError(`The parameter "${name}" must be ${expected}.`, {
    details: { problems: [{ field: `parameters.${name}`, expected }] },
  });
}
