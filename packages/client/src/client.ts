import { AuditEventsReply, AuditVerificationReply } from '@slipway/audit/contract';
import { LineageReply, VersionBody, VersionsReply } from '@slipway/catalog/contract';
import { ContractReply, DatasetPage, DatasetVersion, Profile, RowsPage, Upload } from '@slipway/data/contract';
import { ErasurePage, ErasureReceipt, RetentionReport } from '@slipway/governance/contract';
import { type CreateKeyBody, CreatedKeyReply, KeyPage, KeyReply, MeReply, ProjectPage, ProjectReply } from '@slipway/identity/contract';
import { type ExplainOptions, type JsonShape, PlatformError } from '@slipway/kernel';
import {
  Alert,
  AlertPage,
  type ChannelBody,
  ChannelList,
  ChannelRemoved,
  CreatedChannel,
  DeliveryResult,
  MonitorCheck,
  MonitorReport,
  type MonitorSettings,
  MonitorSettingsReply,
  ResourceReport,
} from '@slipway/monitoring/contract';
import {
  LaunchResult,
  LaunchStarted,
  type LaunchRequest,
  type BatchRequest,
  BatchResult,
  BatchStarted,
  type ModelLaunchRequest,
  ModelLaunchResult,
  ResolvedLaunch,
  type RetrainPolicy,
  type RetrainRequest,
  RetrainStarted,
  Retraining,
} from '@slipway/project/contract';
import {
  InvocationExplanation,
  InvokeReply,
  PredictReply,
  ReleaseDetail,
  ReleaseHistory,
  ReleasePage,
  type InvokeRequest,
  type PredictRequest,
  type RollbackRequest,
} from '@slipway/releases/contract';
import {
  ReplayReport,
  ReplayStarted,
  type ReplayRequest,
  Rollout,
  RolloutPage,
  type RolloutReason,
  type RolloutRequest,
} from '@slipway/releases/rollout-contract';
import { InvocationDetail, InvocationPage, OutcomesReply, type OutcomesRequest } from '@slipway/telemetry/contract';
import { RunEventPage, RunEventReply, RunPage, RunReply } from '@slipway/workflows/contract';
import { z } from 'zod';
import { ConnectionError, RunFailedError } from './errors.ts';
import { type CallOptions, type ClientOptions, type Transport, createTransport, readEvents } from './transport.ts';

const Health = z.object({ status: z.string(), version: z.string(), uptimeSeconds: z.number() });

type Query = NonNullable<CallOptions['query']>;
const segment = (text: string) => encodeURIComponent(text);

/** How often a broken live stream is taken up again before giving up. */
const FOLLOW_RETRIES = 20;
const FOLLOW_PAUSE_MS = 500;

/**
 * The typed SDK: one method a route, replies parsed with the shapes that the server publishes. Uses fetch only, so it
 * runs in Node, browsers and at the edge. @throws {ServerError} what the server named; {@link ConnectionError} when none answers.
 */
export function createClient(options: ClientOptions) {
  const transport = createTransport(options);
  const { call } = transport;
  return {
    url: transport.url,
    transport,
    health: () => call('GET', '/health', Health),
    me: () => call('GET', '/v1/me', MeReply),
    predict: (release: string, body: z.input<typeof PredictRequest>) =>
      call('POST', `/v1/releases/${segment(release)}/predict`, PredictReply, { body }),
    invoke: (release: string, body: z.input<typeof InvokeRequest>) =>
      call('POST', `/v1/releases/${segment(release)}/invoke`, InvokeReply, { body }),
    outcomes: { add: (body: OutcomesRequest) => call('POST', '/v1/outcomes', OutcomesReply, { body }) },
    invocations: {
      get: (id: string) => call('GET', `/v1/invocations/${segment(id)}`, InvocationDetail),
      /** Why it was answered as it was, and what would have changed the answer. */
      explain: (id: string, body: z.input<typeof ExplainOptions> = {}) =>
        call('POST', `/v1/invocations/${segment(id)}/explain`, InvocationExplanation, { body }),
      list: (query: Query = {}) => call('GET', '/v1/invocations', InvocationPage, { query }),
    },
    projects: {
      list: (query: Query = {}) => call('GET', '/v1/projects', ProjectPage, { query }),
      create: (name: string) => call('POST', '/v1/projects', ProjectReply, { body: { name } }),
    },
    keys: {
      list: (query: Query = {}) => call('GET', '/v1/keys', KeyPage, { query }),
      create: (body: CreateKeyBody) => call('POST', '/v1/keys', CreatedKeyReply, { body }),
      revoke: (key: string) => call('DELETE', `/v1/keys/${segment(key)}`, KeyReply),
    },
    ...dataMethods(transport),
    ...runMethods(transport),
    ...releaseMethods(transport),
    ...careMethods(transport),
    ...alertMethods(transport),
  };
}

export type Client = ReturnType<typeof createClient>;

function dataMethods({ call }: Transport) {
  return {
    retention: { get: () => call('GET', '/v1/retention', RetentionReport) },
    uploads: {
      /** Streams bytes to the server, which keeps them under their hash. */
      put: (stream: ReadableStream<Uint8Array> | Uint8Array, fileName: string) =>
        call('POST', '/v1/uploads', Upload, { stream, headers: { 'x-slipway-file-name': encodeURIComponent(fileName) } }),
    },
    datasets: {
      list: (query: Query = {}) => call('GET', '/v1/datasets', DatasetPage, { query }),
      get: (dataset: string) => call('GET', `/v1/datasets/${segment(dataset)}`, DatasetVersion),
      profile: (dataset: string) => call('GET', `/v1/datasets/${segment(dataset)}/profile`, Profile),
      contract: (dataset: string) => call('GET', `/v1/datasets/${segment(dataset)}/contract`, ContractReply),
      rows: (dataset: string, query: Query = {}) => call('GET', `/v1/datasets/${segment(dataset)}/rows`, RowsPage, { query }),
    },
    versions: {
      list: (query: Query = {}) => call('GET', '/v1/versions', VersionsReply, { query }),
      get: (id: string) => call('GET', `/v1/versions/${segment(id)}`, VersionBody),
      lineage: (id: string, direction: 'up' | 'down') =>
        call('GET', `/v1/versions/${segment(id)}/lineage`, LineageReply, { query: { direction } }),
    },
  };
}

/** Progress as a follower sees it. */
export type FollowedEvent = Pick<RunEventReply, 'phase' | 'message' | 'ratio'>;

function runMethods(transport: Transport) {
  const { call } = transport;
  const get = (run: string) => call('GET', `/v1/runs/${segment(run)}`, RunReply);
  /** Follows a run to its end, across broken connections. @throws {RunFailedError} with the run's own error. */
  async function follow(run: string, onEvent: (event: FollowedEvent) => void): Promise<JsonValue> {
    let after = 0;
    for (let attempt = 0; attempt < FOLLOW_RETRIES; attempt += 1) {
      try {
        for await (const { event, data } of readEvents(
          await transport.raw('GET', `/v1/runs/${segment(run)}/events`, { query: { stream: 1, after } }),
        )) {
          if (event !== 'progress') continue;
          const progress = RunEventReply.parse(JSON.parse(data));
          after = progress.seq;
          onEvent(progress);
        }
        const ended = await get(run);
        if (ended.status === 'succeeded') return ended.output;
        if (ended.status === 'failed' || ended.status === 'cancelled') throw new RunFailedError(ended);
      } catch (error) {
        if (error instanceof PlatformError && !(error instanceof ConnectionError)) throw error;
        if (attempt === FOLLOW_RETRIES - 1) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, FOLLOW_PAUSE_MS));
    }
    throw new ConnectionError(`The run ${run} could not be followed to its end.`, { help: `See it with: slipway runs ${run}` });
  }
  return {
    runs: {
      list: (query: Query = {}) => call('GET', '/v1/runs', RunPage, { query }),
      get,
      events: (run: string, query: Query = {}) => call('GET', `/v1/runs/${segment(run)}/events`, RunEventPage, { query }),
      cancel: (run: string) => call('POST', `/v1/runs/${segment(run)}/cancel`, RunReply),
      retry: (run: string) => call('POST', `/v1/runs/${segment(run)}/retry`, RunReply),
      follow,
    },
    batches: {
      /** Predicts for a whole uploaded table. */
      start: (body: z.input<typeof BatchRequest>) => call('POST', '/v1/batch-predictions', BatchStarted, { body }),
      follow: async (run: string, onEvent: (event: FollowedEvent) => void) => BatchResult.parse(await follow(run, onEvent)),
      /** The bytes of the predictions, or of the rows set aside. */
      file: async (run: string, file: 'output' | 'rejects'): Promise<ReadableStream<Uint8Array>> => {
        const { body } = await transport.raw('GET', `/v1/batch-predictions/${segment(run)}/${file}`);
        if (!body) throw new ConnectionError('The server sent an empty file.');
        return body;
      },
    },
    launches: {
      start: (body: z.input<typeof LaunchRequest>) => call('POST', '/v1/launches', LaunchStarted, { body }),
      follow: async (run: string, onEvent: (event: FollowedEvent) => void) => LaunchResult.parse(await follow(run, onEvent)),
      /** Launches a model made elsewhere. */
      startModel: (body: z.input<typeof ModelLaunchRequest>) => call('POST', '/v1/model-launches', LaunchStarted, { body }),
      followModel: async (run: string, onEvent: (event: FollowedEvent) => void) => ModelLaunchResult.parse(await follow(run, onEvent)),
      resolved: (run: string) => call('GET', `/v1/launches/${segment(run)}/definition`, ResolvedLaunch),
    },
  };
}

type JsonValue = z.infer<typeof JsonShape> | null;

function releaseMethods({ call }: Transport) {
  return {
    releases: {
      list: (query: Query = {}) => call('GET', '/v1/releases', ReleasePage, { query }),
      get: (name: string) => call('GET', `/v1/releases/${segment(name)}`, ReleaseDetail),
      history: (name: string) => call('GET', `/v1/releases/${segment(name)}/history`, ReleaseHistory),
      rollback: (name: string, body: z.input<typeof RollbackRequest> = {}) =>
        call('POST', `/v1/releases/${segment(name)}/rollback`, ReleaseDetail, { body }),
      monitor: (name: string, query: Query = {}) => call('GET', `/v1/releases/${segment(name)}/monitor`, MonitorReport, { query }),
      /** Looks now, and raises and resolves alerts. */
      check: (name: string) => call('POST', `/v1/releases/${segment(name)}/monitor/check`, MonitorCheck),
      monitorSettings: (name: string) => call('GET', `/v1/releases/${segment(name)}/monitor/settings`, MonitorSettingsReply),
      configureMonitor: (name: string, body: z.input<typeof MonitorSettings>) =>
        call('PUT', `/v1/releases/${segment(name)}/monitor/settings`, MonitorSettingsReply, { body }),
    },
    retraining: {
      /** When a release trains again, and every attempt with what it went by. */
      get: (release: string) => call('GET', `/v1/releases/${segment(release)}/retraining`, Retraining),
      /** Sets the policy; null takes it away. */
      configure: (release: string, policy: z.input<typeof RetrainPolicy> | null) =>
        call('PUT', `/v1/releases/${segment(release)}/retraining`, Retraining, { body: { policy } }),
      start: (release: string, body: z.input<typeof RetrainRequest> = {}) =>
        call('POST', `/v1/releases/${segment(release)}/retrain`, RetrainStarted, { body }),
    },
    rollouts: {
      start: (release: string, body: z.input<typeof RolloutRequest>) =>
        call('POST', `/v1/releases/${segment(release)}/rollouts`, Rollout, { body }),
      /** The rollout that the release is in, or was in last. */
      latest: (release: string) => call('GET', `/v1/releases/${segment(release)}/rollout`, Rollout),
      list: (release: string, query: Query = {}) => call('GET', `/v1/releases/${segment(release)}/rollouts`, RolloutPage, { query }),
      /** Those of every release. */
      listAll: (query: Query = {}) => call('GET', '/v1/rollouts', RolloutPage, { query }),
      act: (release: string, action: 'pause' | 'resume' | 'approve' | 'promote' | 'abort', body: z.input<typeof RolloutReason> = {}) =>
        call('POST', `/v1/releases/${segment(release)}/rollout/${action}`, Rollout, { body }),
    },
    replays: {
      start: (release: string, body: ReplayRequest) => call('POST', `/v1/releases/${segment(release)}/replays`, ReplayStarted, { body }),
      report: ReplayReport.parse,
    },
  };
}

function alertMethods({ call }: Transport) {
  const alertPath = (alert: string, verb: string) => `/v1/alerts/${segment(alert)}/${verb}`;
  return {
    alerts: {
      list: (query: Query = {}) => call('GET', '/v1/alerts', AlertPage, { query }),
      get: (alert: string) => call('GET', `/v1/alerts/${segment(alert)}`, Alert),
      acknowledge: (alert: string, body: { note?: string } = {}) => call('POST', alertPath(alert, 'acknowledge'), Alert, { body }),
      resolve: (alert: string, body: { note?: string } = {}) => call('POST', alertPath(alert, 'resolve'), Alert, { body }),
    },
    /** Where alerts are sent. */
    channels: {
      list: () => call('GET', '/v1/channels', ChannelList),
      add: (body: z.input<typeof ChannelBody>) => call('POST', '/v1/channels', CreatedChannel, { body }),
      remove: (channel: string) => call('DELETE', `/v1/channels/${segment(channel)}`, ChannelRemoved),
      test: (channel: string) => call('POST', `/v1/channels/${segment(channel)}/test`, DeliveryResult),
    },
    /** What the server uses, and whether that is too much. */
    resources: () => call('GET', '/v1/resources', ResourceReport),
    dashboards: { grafana: () => call('GET', '/v1/dashboards/grafana', z.unknown()) },
  };
}

function careMethods(transport: Transport) {
  const { call } = transport;
  return {
    audit: {
      verify: () => call('GET', '/v1/audit/verify', AuditVerificationReply),
      events: (query: Query = {}) => call('GET', '/v1/audit/events', AuditEventsReply, { query }),
    },
    reports: {
      /** A report by its id, its version or its name, as text: `json`, `markdown` or `html` (one page that opens offline). */
      text: async (report: string, format: 'json' | 'markdown' | 'html' = 'json') =>
        (await transport.raw('GET', `/v1/reports/${segment(report)}`, { query: { format } })).text(),
      /** The card of a model or dataset version. */
      card: async (version: string, format: 'json' | 'markdown' | 'html' = 'markdown') =>
        (await transport.raw('GET', `/v1/versions/${segment(version)}/card`, { query: { format } })).text(),
    },
    erasures: {
      create: (subject: string) => call('POST', '/v1/erasures', ErasureReceipt, { body: { subject } }),
      get: (id: string) => call('GET', `/v1/erasures/${segment(id)}`, ErasureReceipt),
      list: (query: Query = {}) => call('GET', '/v1/erasures', ErasurePage, { query }),
    },
    /** Everything as one gzipped stream; instance administrators only. */
    async backup(): Promise<ReadableStream<Uint8Array>> {
      const { body } = await transport.raw('GET', '/v1/backup');
      if (!body) throw new ConnectionError('The server sent an empty backup.');
      return body;
    },
  };
}
