import type { Audit } from '@slipway/audit';
import {
  type Capability,
  ExplainOptions,
  InvalidError,
  type Invocation,
  DEADLINE_HEADER,
  JsonShape,
  Name,
  PRIORITY_HEADER,
  PageQuery,
  RawReply,
  type Result,
  type Route,
  defineRoute,
  readDeadline,
  readPriority,
  systemClock,
  toRfc3339,
} from '@slipway/kernel';
import { z } from 'zod';
import type { Answered, Answering, AnswerRequest } from './answer.ts';
import {
  CALL_BODY_LIMIT_BYTES,
  InvocationExplanation,
  InvokeReply,
  InvokeRequest,
  PredictReply,
  PredictRequest,
  ReleaseDetail,
  ReleaseHistory,
  ReleasePage,
  Revision,
  RollbackRequest,
} from './contract.ts';
import type { Explained } from './explain.ts';
import { migrations } from './migrations.ts';
import type { Releases } from './release-service.ts';
import { type ReplayDeps, replayRoutes, replayWorkflow } from './rollout/replay.ts';
import { rolloutRoutes } from './rollout/rollout-routes.ts';
import type { Rollouts } from './rollout/rollout-service.ts';
import { rolloutJob, rolloutWorkflow } from './rollout/rollout-workflow.ts';
import { onlyRowText } from './row-text.ts';

const NameParams = z.object({ name: Name });
/** Changes of one release that its history shows, the newest. */
const HISTORY_LIMIT = 500;

/** The tables alone, for stores that are opened before there are {@link Releases}. */
export const releasesSchema: Pick<Capability, 'name' | 'migrations'> = { name: 'releases', migrations };

interface ReleasesRouteDeps {
  readonly releases: Releases;
  readonly answering: Answering;
  readonly audit: Audit;
  readonly rollouts: Rollouts;
  readonly replays: ReplayDeps;
  /** Default the process's own. */
  readonly monotonicMs?: () => number;
  /** A recorded call by id. */
  readonly invocation: (project: string, id: string) => Promise<Invocation>;
}

/** Releases over HTTP: their management, and the calls they answer. */
export function releasesCapability(deps: ReleasesRouteDeps): Capability {
  const { rollouts, replays } = deps;
  return {
    ...releasesSchema,
    routes: [
      ...managementRoutes(deps),
      ...rolloutRoutes(rollouts),
      ...replayRoutes(replays),
      ...callRoutes(deps.answering, deps.monotonicMs ?? systemClock.monotonicMs),
      explainRoute(deps),
    ],
    workflows: [rolloutWorkflow(rollouts), replayWorkflow(replays)],
    jobs: [rolloutJob(rollouts)],
  };
}

function managementRoutes({ releases, audit }: ReleasesRouteDeps): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/releases',
      permission: 'project.read',
      summary: 'List the releases of the project by name.',
      query: PageQuery,
      response: ReleasePage,
      handle: async ({ project, query: { cursor, limit } }) => {
        const page = await releases.list(project, { limit, ...(cursor === undefined ? {} : { cursor }) });
        return { items: [...page.items], nextCursor: page.nextCursor };
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/releases/{name}',
      permission: 'project.read',
      summary: 'One release with its revisions, newest first.',
      params: NameParams,
      response: ReleaseDetail,
      handle: ({ project, params }) => releases.get(project, params.name),
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/releases/{name}/revisions/{revision}',
      permission: 'project.read',
      summary: 'One revision and everything it pins.',
      params: z.object({ name: Name, revision: z.coerce.number().int().positive() }),
      response: Revision,
      handle: ({ project, params }) => releases.revision(project, params.name, params.revision),
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/releases/{name}/history',
      permission: 'project.read',
      summary: 'What happened to a release, newest first.',
      params: NameParams,
      response: ReleaseHistory,
      handle: async ({ project, params }) => {
        await releases.get(project, params.name);
        return history(audit, project, params.name);
      },
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/releases/{name}/rollback',
      permission: 'release.rollback',
      summary: 'Make an earlier revision live at once.',
      params: NameParams,
      body: RollbackRequest,
      response: ReleaseDetail,
      handle: ({ project, params, body, principal }) =>
        releases.rollback({
          project,
          name: params.name,
          principal: principal.id,
          ...(body.to === undefined ? {} : { to: body.to }),
          ...(body.reason === undefined ? {} : { reason: body.reason }),
        }),
    }),
  ];
}

async function history(audit: Audit, project: string, name: string): Promise<ReleaseHistory> {
  const events = await audit.history(project, { kind: 'release', id: name }, { limit: HISTORY_LIMIT });
  return {
    items: events.map(({ seq, type, atMs, principal, data }) => ({ seq, type, at: toRfc3339(atMs), principal, data: data ?? null })),
  };
}

function callRoutes(answering: Answering, nowMs: () => number): Route[] {
  const admit = (call: { readonly project: string; readonly params: { readonly name: string }; readonly header: Header }) => {
    const { project, params, header } = call;
    answering.admit({ project, release: params.name, ...wishOf(header, nowMs()) });
  };
  return [
    defineRoute({
      method: 'POST',
      path: '/v1/releases/{name}/predict',
      permission: 'predict',
      summary: 'Predict for table rows.',
      params: NameParams,
      body: PredictRequest,
      bodyLimitBytes: CALL_BODY_LIMIT_BYTES,
      fast: true,
      admit,
      response: PredictReply,
      handle: async (call) => {
        const { body, bodyText } = call;
        const inputText =
          bodyText === undefined || body.rows.length > 1 || body.explain !== undefined ? undefined : onlyRowText(bodyText, body.rows[0]);
        return predictReply(await answering.answer(new PredictCall(call, body, { inputText, nowMs: nowMs() })));
      },
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/releases/{name}/invoke',
      permission: 'predict',
      summary: 'Call a servable of any kind with one input.',
      params: NameParams,
      body: InvokeRequest,
      bodyLimitBytes: CALL_BODY_LIMIT_BYTES,
      admit,
      response: InvokeReply,
      handle: async (call) =>
        invokeReply(
          await answering.answer({
            ...callerOf(call),
            ...wishOf(call.header, nowMs()),
            inputs: [call.body.input],
            ...detailsOf(call.body),
          }),
        ),
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/releases/{name}/stream',
      permission: 'predict',
      summary: 'Call a servable with one input and receive its answer as server-sent events.',
      params: NameParams,
      body: InvokeRequest,
      bodyLimitBytes: CALL_BODY_LIMIT_BYTES,
      response: JsonShape,
      handle: async (call) =>
        new RawReply(
          sseOf(
            answering.stream({
              ...callerOf(call),
              ...wishOf(call.header, nowMs()),
              inputs: [call.body.input],
              ...detailsOf(call.body),
            }),
          ),
          {
            contentType: 'text/event-stream',
          },
        ),
    }),
  ];
}

function explainRoute({ answering, invocation }: ReleasesRouteDeps): Route {
  return defineRoute({
    method: 'POST',
    path: '/v1/invocations/{invocation}/explain',
    permission: 'invocation.read',
    summary: 'Say why a recorded call was answered as it was, by the version that answered it.',
    params: z.object({ invocation: z.string().max(64) }),
    body: ExplainOptions,
    response: InvocationExplanation,
    async handle({ project, params, body, principal }) {
      const recorded = await invocation(project, params.invocation);
      const explanation = await answering.explain({ invocation: recorded, principal, options: body });
      const { id, release, revision, version, output } = recorded;
      return { invocation: id, release, revision, version, output, explanation };
    },
  });
}

type PredictBody = z.infer<typeof PredictRequest>;

/** A predict call. Its signal is made when a servable asks for it: an AbortController a call costs more than all the rest here. */
class PredictCall implements AnswerRequest {
  readonly project: string;
  readonly principal: AnswerRequest['principal'];
  readonly requestId: string;
  readonly release: string;
  readonly traceparent: string | undefined;
  readonly inputs: readonly unknown[];
  readonly inputText: string | undefined;
  readonly unit: string | undefined;
  readonly subject: string | undefined;
  readonly eventTime: string | number | undefined;
  readonly explain: AnswerRequest['explain'];
  readonly priority: AnswerRequest['priority'];
  readonly deadlineMs: number | undefined;
  readonly #call: { readonly signal?: AbortSignal | undefined };

  constructor(
    call: Caller & { readonly params: { readonly name: string }; header: (name: string) => string | undefined },
    body: PredictBody,
    { inputText, nowMs }: { readonly inputText: string | undefined; readonly nowMs: number },
  ) {
    const { header } = call;
    this.project = call.project;
    this.principal = call.principal;
    this.requestId = call.requestId;
    this.release = call.params.name;
    this.traceparent = header('traceparent');
    this.priority = readPriority(header(PRIORITY_HEADER));
    this.deadlineMs = readDeadline(header(DEADLINE_HEADER), nowMs);
    this.inputs = body.rows;
    this.inputText = inputText;
    this.unit = body.unit;
    this.subject = body.subject;
    this.eventTime = body.eventTime;
    this.explain = explainOf(body);
    this.#call = call;
  }

  get signal(): AbortSignal | undefined {
    return this.#call.signal;
  }
}

type Header = (name: string) => string | undefined;

/** How pressing a call is, by its headers. */
function wishOf(header: Header, nowMs: number): Pick<AnswerRequest, 'priority' | 'deadlineMs'> {
  return { priority: readPriority(header(PRIORITY_HEADER)), deadlineMs: readDeadline(header(DEADLINE_HEADER), nowMs) };
}

type Caller = Pick<AnswerRequest, 'project' | 'principal' | 'requestId' | 'signal'>;

function callerOf(call: Caller & { readonly params: { readonly name: string }; header: (name: string) => string | undefined }) {
  const { project, principal, requestId, signal, params } = call;
  return { project, principal, requestId, signal, release: params.name, traceparent: call.header('traceparent') };
}

function explainOf({ explain }: PredictRequest): ExplainOptions | undefined {
  if (explain === undefined || explain === false) return undefined;
  return explain === true ? ExplainOptions.parse({}) : explain;
}

function detailsOf({
  unit,
  subject,
  eventTime,
}: {
  unit?: string | undefined;
  subject?: string | undefined;
  eventTime?: string | number | undefined;
}) {
  return { unit, subject, eventTime };
}

/** One row that failed fails the call; of several, each says for itself. */
function predictReply(answered: Answered): PredictReply {
  const [only] = answered.results;
  if (answered.results.length === 1 && only?.result.status === 'error') throw only.result.error;
  const { release, revision, version } = answered;
  return {
    release,
    revision,
    version,
    predictions: answered.results.map(({ invocation, result, explained }) => ({
      invocation,
      ...predictionOf(result),
      ...explanationOf(explained),
    })),
  };
}

function explanationOf(explained: Explained | undefined): Pick<PredictReply['predictions'][number], 'explanation' | 'explanationError'> {
  if (!explained) return {};
  if ('explanation' in explained) return { explanation: explained.explanation };
  return { explanationError: { code: explained.error.code, message: explained.error.message } };
}

function predictionOf(result: Result<unknown>): Omit<PredictReply['predictions'][number], 'invocation'> {
  if (result.status === 'pending') return { pending: result.run };
  if (result.status === 'error') return { error: { code: result.error.code, message: result.error.message } };
  const output = result.output;
  if (output === null || typeof output !== 'object' || !('prediction' in output)) {
    throw new InvalidError('This release does not answer table rows.', { help: 'Use POST /v1/releases/{name}/invoke.' });
  }
  return output as { prediction: string | number };
}

function invokeReply({ release, revision, version, results }: Answered): InvokeReply {
  const only = results[0];
  if (!only) throw new Error('Broken invariant: one input has one result');
  const { result, invocation } = only;
  return {
    release,
    revision,
    version,
    invocation,
    status: result.status,
    output: result.status === 'ok' ? (result.output as InvokeReply['output']) : null,
    run: result.status === 'pending' ? result.run : null,
    error: result.status === 'error' ? { code: result.error.code, message: result.error.message } : null,
  };
}

function sseOf(parts: AsyncIterable<{ readonly type: string }>): ReadableStream<Uint8Array> {
  const iterator = parts[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const next = await iterator.next();
      if (next.done) return controller.close();
      controller.enqueue(encoder.encode(`event: ${next.value.type}\ndata: ${JSON.stringify(next.value)}\n\n`));
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}
