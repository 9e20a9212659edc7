import { join } from 'node:path';
import { createAudit, auditCapability } from '@slipway/audit';
import { createCatalog, catalogCapability } from '@slipway/catalog';
import { type Data, createData, dataCapability } from '@slipway/data';
import { createErasures, createRetention, governanceCapability, type Retention, type WishedKeepDays } from '@slipway/governance';
import { createIdentity, createSecretBox, identityCapability, openSecretKeys } from '@slipway/identity';
import {
  type Capability,
  type Clock,
  type Ids,
  type Redacted,
  type ServableKind,
  type ServableLoader,
  createIds,
  createInvocationIds,
  systemClock,
  systemRandomBytes,
} from '@slipway/kernel';
import { ExplainThread, explainableModels } from '@slipway/learning';
import { forecastLoader, unsupervisedLoader } from '@slipway/learning';
import { modelLoader } from '@slipway/models';
import { type Monitoring, type ResourceLimits, createMonitoring, monitoringCapability } from '@slipway/monitoring';
import type { Objects } from '@slipway/objects';
import { createOpenInference, openInferenceCapability } from '@slipway/open-inference';
import {
  BATCH_QUEUE,
  EVIDENCE_QUEUE,
  RETRAIN_QUEUE,
  type Retrainings,
  createLaunches,
  createRetrainings,
  projectCapability,
} from '@slipway/project';
import type { Records } from '@slipway/records';
import {
  ROLLOUT_QUEUE,
  type Releases,
  type Rollouts,
  type Routing,
  type ServingMetrics,
  createAnswering,
  createReleases,
  createRollouts,
  createRouting,
  registerServingMetrics,
  releasesCapability,
} from '@slipway/releases';
import { type Telemetry, type TelemetryOptions, openTelemetry, telemetryCapability } from '@slipway/telemetry';
import { createWorkflows, workflowsCapability } from '@slipway/workflows';
import { httpCapability } from './http/index.ts';
import type { Log } from './log.ts';
import { listAllReleases } from './list-releases.ts';
import { createMonitorPorts } from './monitor-ports.ts';
import { operationsCapability } from './operations.ts';
import { VERSION } from './version.ts';

export interface ComposeOptions {
  readonly records: Records;
  readonly objects: Objects;
  /** The home's folder: telemetry's open segments and DuckDB's temporary files lie under it. */
  readonly directory: (name: string) => string;
  readonly durability: 'process' | 'host';
  readonly applicationVersion: string;
  readonly executorId: string;
  readonly replica: number;
  /** How calls are recorded beside other replicas. */
  readonly amongReplicas?: Pick<TelemetryOptions, 'segmentLimitAgeMs' | 'elsewhereAgeMs'> | undefined;
  readonly trainingThreads: number;
  readonly publicUrl: () => string;
  readonly log: Log;
  /** Private hosts that alerts may be sent to. */
  readonly outboundAllow?: readonly string[];
  /** What loaded versions may hold together. */
  readonly modelMemoryBytes?: number;
  /** How long uploads and what ended runs leave are kept. */
  readonly keepDays?: WishedKeepDays;
  /** Whether new requests should be sent here. */
  readonly isReady?: () => boolean;
  /** Seals secrets that are stored; without it the home's own `secret.key` does. */
  readonly secretKey?: Redacted | undefined;
  /** From where on the process needs help. */
  readonly resourceLimits?: ResourceLimits | undefined;
  readonly clock?: Clock;
}

/** The kinds of servable that this server loads, plus what tests add. */
export interface ExtraParts {
  readonly loaders?: readonly ServableLoader[];
  readonly capabilities?: readonly Capability[];
  /** Does each step of each run twice; see `repeatSteps` of the workflows. */
  readonly repeatSteps?: boolean;
}

/** Wires every room of the house. The only place that knows them all; holds no rule of its own. */
export async function compose(options: ComposeOptions, extra: ExtraParts = {}) {
  const base = composeBase(options, extra);
  const retention = createRetention({ ...options, ...base });
  const { telemetry, data } = await composeStores(options, base, retention);
  const answers = composeAnswers(options, base, telemetry, extra);
  const { records, objects } = options;
  const { audit, catalog, clock, identity, workflows } = base;
  const { releases, answering, routing } = answers;
  // Monitors tell of retrainings, and retrainings ask monitors.
  const later: { retrainings?: Retrainings } = {};
  const respond = async (project: string, release: string) => (await later.retrainings?.respond(project, release)) ?? (() => null);
  const monitoring = composeMonitoring(options, base, { telemetry, data, releases, respond });
  await monitoring.channels.sealStored();
  const work = composeWork(options, base, {
    retention,
    telemetry,
    data,
    rollouts: answers.rollouts,
    releases: answers.releases,
    monitoring,
  });
  later.retrainings = work.retrainings;
  const openInference = createOpenInference({
    answering,
    routing,
    releases,
    clock,
    version: VERSION,
    ...(options.isReady ? { isReady: options.isReady } : {}),
  });
  const capabilities: Capability[] = [
    auditCapability(audit),
    identityCapability(identity, clock),
    catalogCapability(catalog, records),
    workflowsCapability(workflows),
    telemetryCapability(telemetry),
    dataCapability({ data, catalog }),
    releasesCapability({
      releases,
      rollouts: answers.rollouts,
      replays: { records, catalog, releases, routing: answers.routing, telemetry, workflows, clock },
      answering,
      audit,
      invocation: async (project, id) => (await telemetry.getInvocation(project, id)).invocation,
    }),
    monitoringCapability(monitoring),
    openInferenceCapability(openInference),
    ...work.capabilities,
    httpCapability(records),
    operationsCapability({ records, objects, telemetry, clock }),
    ...(extra.capabilities ?? []),
  ];
  return {
    records,
    objects,
    ...base,
    telemetry,
    data,
    ...answers,
    openInference,
    launches: work.launches,
    erasures: work.erasures,
    retention,
    capabilities,
  };
}

export type House = Awaited<ReturnType<typeof compose>>;

/** What watches the calls, and the server itself. */
function composeMonitoring(
  options: ComposeOptions,
  { audit, catalog, clock, ids, identity }: Base,
  {
    telemetry,
    data,
    releases,
    respond,
  }: {
    readonly telemetry: Telemetry;
    readonly data: Data;
    readonly releases: Releases;
    readonly respond: Retrainings['respond'];
  },
) {
  const { records, objects } = options;
  return createMonitoring({
    respond,
    records,
    audit,
    clock,
    ids,
    random: systemRandomBytes,
    secrets: createSecrets(options),
    ports: createMonitorPorts({ releases, catalog, objects, data, telemetry, clock }),
    metrics: telemetry.metrics,
    listReleases: (limit) => listAllReleases({ identity, releases }, limit),
    outboundAllow: options.outboundAllow ?? [],
    resources: {
      directory: options.directory('.'),
      replica: options.replica,
      backlogBytes: () => telemetry.backlogBytes(),
      limits: options.resourceLimits,
    },
    // The oldest project is the one that the instance's admin belongs to.
    operatorProject: async () => (await identity.listProjects({ limit: 1 })).items[0]?.id,
    onProblem: (error) => options.log({ level: 'warn', message: 'monitoring', fields: { error: error.message } }),
  });
}

/** What stored secrets are sealed with. */
function createSecrets({ directory, secretKey }: ComposeOptions) {
  const keys = openSecretKeys({ path: directory('secret.key'), given: secretKey, random: systemRandomBytes });
  return createSecretBox({ keys, random: systemRandomBytes });
}

/** The rooms that need only the records. */
function composeBase({ records, log, ...options }: ComposeOptions, { repeatSteps = false }: ExtraParts) {
  const clock = options.clock ?? systemClock;
  const ids: Ids = createIds(clock);
  const audit = createAudit({ records, clock, ids });
  const workflows = createWorkflows({
    records,
    audit,
    clock,
    ids,
    executorId: options.executorId,
    applicationVersion: options.applicationVersion,
    repeatSteps,
    queues: [ROLLOUT_QUEUE, RETRAIN_QUEUE, EVIDENCE_QUEUE, { name: 'launch', concurrency: 1 }, { name: BATCH_QUEUE, concurrency: 1 }],
    log: ({ level, message, error, run }) =>
      log({ level, message, fields: { run, error: error instanceof Error ? error.message : undefined } }),
  });
  const catalog = createCatalog({ records, audit, clock, ids });
  const identity = createIdentity({ records, audit, clock, ids, random: systemRandomBytes });
  return { clock, ids, audit, catalog, identity, workflows };
}

type Base = ReturnType<typeof composeBase>;

/** The rooms that keep data of their own beside the records. */
async function composeStores(
  { records, objects, directory, durability, replica, amongReplicas, log }: ComposeOptions,
  { audit, catalog, clock }: Base,
  retention: Retention,
) {
  const telemetry = await openTelemetry({
    directory: directory('telemetry'),
    records,
    objects,
    audit,
    clock,
    replica,
    durability,
    ...amongReplicas,
    onProblem: (error) => log({ level: 'warn', message: 'telemetry', fields: { error: error.message } }),
  });
  return {
    telemetry,
    data: createData({ records, objects, catalog, clock, workDirectory: directory('work'), onUpload: retention.uploaded }),
  };
}

/** The path of a call. */
function composeAnswers(
  { records, objects, replica, modelMemoryBytes }: ComposeOptions,
  { audit, catalog, clock, ids, workflows }: Base,
  telemetry: Telemetry,
  extra: ExtraParts,
) {
  const loaders = new Map<ServableKind, ServableLoader>();
  // One thread explains for all releases; it starts with the first question and ends when nobody asks any more.
  const explaining = new ExplainThread();
  // Metrics read what routing holds, and routing tells them what it does.
  const serving: ServingMetrics = registerServingMetrics(telemetry.metrics, {
    list: () => routing.loaded(),
    memoryLimitBytes: modelMemoryBytes,
  });
  const models = explainableModels(modelLoader({ objects, catalog, clock, open: { onRun: serving.ran } }), {
    objects,
    catalog,
    thread: explaining,
  });
  const loading = { objects, catalog, clock, onRun: serving.ran };
  for (const loader of [forecastLoader(loading, unsupervisedLoader(loading, models)), ...(extra.loaders ?? [])])
    loaders.set(loader.kind, loader);
  const routing: Routing = createRouting({
    records,
    catalog,
    loaders,
    memoryLimitBytes: modelMemoryBytes,
    onLoad: serving.loaded,
    onUnload: serving.unloaded,
    monotonicMs: () => clock.monotonicMs(),
    describe: (project, version, contract) => telemetry.describe(project, version, contract),
  });
  const onChange = routing.follow;
  const releases = createReleases({ records, audit, catalog, clock, ids, onChange });
  const rollouts = createRollouts({ records, audit, catalog, clock, ids, releases, routing, telemetry, workflows, onChange });
  const nextInvocationId = createInvocationIds(clock, replica);
  const answering = createAnswering({
    routing,
    recorder: telemetry,
    clock,
    replica,
    nextInvocationId,
    draw: Math.random,
    onShed: serving.shed,
  });
  return { routing, releases, rollouts, answering, explaining, serving };
}

/** The durable work: launches and erasures. */
function composeWork(
  { records, objects, trainingThreads, publicUrl, directory, log }: ComposeOptions,
  { audit, catalog, clock, ids, workflows }: Base,
  {
    retention,
    telemetry,
    data,
    releases,
    rollouts,
    monitoring,
  }: { retention: Retention; telemetry: Telemetry; data: Data; releases: Releases; rollouts: Rollouts; monitoring: Monitoring },
) {
  const launchDeps = { records, objects, audit, catalog, data, releases, rollouts, clock, trainingThreads, publicUrl };
  const launches = createLaunches(launchDeps, workflows);
  const retrainDeps = {
    ...launchDeps,
    ids,
    telemetry,
    workflows,
    monitor: monitoring.report,
    onProblem: (error: Error) => log({ level: 'warn', message: 'retraining', fields: { error: error.message } }),
  };
  const batchDeps = { ...launchDeps, workDirectory: join(directory('work'), 'batch'), threads: trainingThreads };
  const erasureDeps = { records, objects, audit, catalog, data, telemetry, clock, ids };
  const erasures = createErasures(erasureDeps, workflows);
  const retrainings = createRetrainings(retrainDeps);
  return {
    launches,
    retrainings,
    erasures,
    capabilities: [
      governanceCapability(erasureDeps, erasures, retention),
      projectCapability(retrainDeps, { launches, retrainings }, workflows, batchDeps),
    ],
  };
}
