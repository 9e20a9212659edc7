import { readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { openFolderObjects } from '@slipway/objects';
import { type Job, type Redacted, systemClock } from '@slipway/kernel';
import type { ResourceLimits } from '@slipway/monitoring';
import { type Home, type Records, migrate, openHome, openRecords } from '@slipway/records';
import { type BackupSummary, restoreStores, verifyBackup } from './backup.ts';
import { type ComposeOptions, type ExtraParts, type House, compose } from './compose.ts';
import { HomeNotEmptyError, PortInUseError } from './errors.ts';
import { listenOnGrpc } from './grpc.ts';
import { DRAIN_IDLE_MS, createHttpApp, createIdempotencyStore, listen, type HttpApp, type Listening } from './http/index.ts';
import { startJobs } from './jobs.ts';
import { withLocalToken } from './local-identity.ts';
import { type Log, stderrLog } from './log.ts';
import { AMONG_REPLICAS, joinReplicas } from './replicas.ts';
import { lowerPoolPriority } from './pool-priority.ts';
import { schema, takeReplicaNumber } from './schema.ts';
import { VERSION } from './version.ts';

export const HOST = '127.0.0.1';
/** Where engines keep files for the length of one piece of work. */
const WORK_FOLDER = 'work';
/** Threads a training takes at most; the rest of the machine goes on answering. */
const TRAINING_THREADS_MAX = 4;
const BYTES_PER_MB = 1_048_576;
/** Loaded models get this share of the memory that the process may have, when nobody says. */
const MODEL_MEMORY_RATIO = 0.5;

/** Half of what the container allows, or of what the machine has. */
function modelMemoryMbDefault(): number {
  const allowedBytes = process.constrainedMemory();
  const machineBytes = totalmem();
  const bytes = allowedBytes > 0 ? Math.min(allowedBytes, machineBytes) : machineBytes;
  return Math.floor((bytes * MODEL_MEMORY_RATIO) / BYTES_PER_MB);
}

export interface ServerOptions {
  readonly home: string;
  readonly port?: number;
  /** Serves the Open Inference Protocol over gRPC on this port as well; 0 takes a free one. */
  readonly grpcPort?: number | undefined;
  /** A PostgreSQL server instead of the embedded records. */
  readonly databaseUrl?: string | undefined;
  /** A folder for the objects that replicas on one database share, as `file:///path`, instead of the home's own. */
  readonly objectsUrl?: string | undefined;
  /** Becomes the admin key at the very first start. */
  readonly adminKey?: string | undefined;
  /** False for a process that only works for itself: no port is opened. */
  readonly listen: boolean;
  readonly durability?: 'process' | 'host';
  /** Private hosts that alerts may be sent to. */
  readonly outboundAllow?: readonly string[];
  /** What loaded models may hold together; default half of what the process may have. */
  readonly modelMemoryMb?: number | undefined;
  /** Seals stored secrets, instead of the home's own `secret.key`. */
  readonly secretKey?: Redacted | undefined;
  /** From where on memory, heap, event loop, disk and backlog are alerts. */
  readonly resourceLimits?: ResourceLimits | undefined;
  /** Days that unused uploads and what ended runs leave are kept. */
  readonly keepDays?: ComposeOptions['keepDays'];
  readonly log?: Log;
  readonly extra?: ExtraParts;
}

export interface RunningServer {
  readonly version: string;
  readonly home: string;
  /** Address, or null when it does not listen. */
  readonly url: string | null;
  /** `127.0.0.1:port` of the gRPC side, or null when it is not served. */
  readonly grpcAddress: string | null;
  /** Answers a request in this process. */
  readonly fetch: typeof globalThis.fetch;
  /** The generated admin key; only at the first start without a given one. */
  readonly createdKey: Redacted | null;
  readonly localToken: Redacted;
  readonly house: House;
  readonly http: HttpApp;
  /**
   * Says that it is going (readiness), goes on for a while so that balancers notice, stops listening, and answers whatever was
   * accepted. Call `close` afterwards.
   */
  drain(options?: { readonly lameDuckMs?: number }): Promise<void>;
  close(): Promise<void>;
}

/** Opens a home and starts everything in it. What was opened is closed again when a later part fails. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const closing: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const step of closing.splice(0).toReversed()) await step().catch(() => {});
  };
  try {
    return await start(options, closing, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(options: ServerOptions, closing: (() => Promise<unknown>)[], close: () => Promise<void>): Promise<RunningServer> {
  const log = options.log ?? stderrLog(process.env['SLIPWAY_DEBUG'] === '1');
  const home = await openHome(options.home);
  closing.push(() => home.release());
  // Working copies of rows that a killed process was reading; the home is ours alone, so nobody needs them.
  await rm(home.path(WORK_FOLDER), { recursive: true, force: true });
  const { records, objects, replica, replicas } = await openStores(home, options, closing);
  let url: string | null = null;
  const readiness = { isReady: false };
  const isReady = () => readiness.isReady;
  const house = await compose(
    {
      records,
      objects,
      directory: (name) => home.path(name),
      durability: options.durability ?? 'process',
      applicationVersion: VERSION,
      executorId: `executor-${replica}`,
      replica,
      amongReplicas: replicas && options.objectsUrl !== undefined ? AMONG_REPLICAS : undefined,
      outboundAllow: options.outboundAllow ?? [],
      secretKey: options.secretKey,
      resourceLimits: options.resourceLimits,
      keepDays: options.keepDays,
      modelMemoryBytes: (options.modelMemoryMb ?? modelMemoryMbDefault()) * BYTES_PER_MB,
      isReady,
      trainingThreads: Math.max(1, Math.min(TRAINING_THREADS_MAX, availableParallelism())),
      publicUrl: () => url ?? `http://${HOST}:${options.port || 7700}`,
      log,
    },
    options.extra,
  );
  closing.push(() => house.data.close());
  closing.push(() => house.telemetry.close());
  closing.push(() => house.routing.close());
  closing.push(() => house.explaining.close());
  const { admin, createdKey, givenKeyWorks } = await house.identity.bootstrap({ adminKey: options.adminKey });
  if (givenKeyWorks === false) log({ level: 'warn', message: 'SLIPWAY_KEY is no key of this home; it was set up with another one.' });
  const { identity, token } = withLocalToken(house.identity, admin);
  const http = createApp(house, identity, records, { log, isReady });
  const listening = options.listen ? await startListening(http, options.port ?? 7700, closing) : undefined;
  url = listening?.url ?? null;
  const grpc =
    options.listen && options.grpcPort !== undefined
      ? await listenOnGrpc({ house, identity, log }, { host: HOST, port: options.grpcPort })
      : undefined;
  if (grpc) closing.push(() => grpc.close());
  await startWork(house, records, { log, jobs: replicas ? [replicas.job] : [] }, closing);
  replicas?.started();
  await home.announce(url, token.reveal());
  readiness.isReady = true;
  return {
    version: VERSION,
    home: home.directory,
    url,
    grpcAddress: grpc ? `${grpc.host}:${grpc.port}` : null,
    fetch: (input, init) => http.fetch(new Request(input, init)),
    createdKey,
    localToken: token,
    house,
    http,
    async drain({ lameDuckMs = 0 } = {}) {
      readiness.isReady = false;
      if (lameDuckMs > 0) await new Promise((resolve) => setTimeout(resolve, lameDuckMs));
      await Promise.all([listening?.close({ idleMs: DRAIN_IDLE_MS }), grpc?.close()]);
    },
    close,
  };
}

async function startListening(http: HttpApp, port: number, closing: (() => Promise<unknown>)[]) {
  const listening = await listenOn(http, port);
  closing.push(() => listening.close());
  await lowerPoolPriority();
  return listening;
}

async function openStores(
  home: Home,
  { databaseUrl, objectsUrl, secretKey }: Pick<ServerOptions, 'databaseUrl' | 'objectsUrl' | 'secretKey'>,
  closing: (() => Promise<unknown>)[],
) {
  const records = await openRecords(
    databaseUrl === undefined ? { kind: 'embedded', directory: home.path('records') } : { kind: 'postgres', url: databaseUrl },
  );
  closing.push(() => records.close());
  await migrate(records, schema(records));
  const replica = await replicaOf(home, records);
  const objectsDirectory = objectsUrl === undefined ? home.path('objects') : fileURLToPath(objectsUrl);
  const replicas = databaseUrl === undefined ? undefined : await joinReplicas(records, { replica, secretKey, objectsDirectory });
  if (replicas) closing.push(() => replicas.leave());
  return { records, objects: await openFolderObjects(objectsDirectory, { isShared: objectsUrl !== undefined }), replica, replicas };
}

/** A home keeps its replica number, so that its open segments are found again. */
async function replicaOf(home: Home, records: Records): Promise<number> {
  const path = home.path('replica');
  const stored = Number.parseInt(await readFile(path, 'utf8').catch(() => ''), 10);
  if (Number.isInteger(stored)) return stored;
  const replica = await takeReplicaNumber(records);
  await writeFile(path, String(replica), { mode: 0o600 });
  return replica;
}

function createApp(
  house: House,
  identity: House['identity'],
  records: Records,
  { log, isReady }: { readonly log: Log; readonly isReady: () => boolean },
): HttpApp {
  const requests = house.telemetry.metrics.counter({
    name: 'slipway_http_requests_total',
    help: 'HTTP requests answered.',
    labels: ['route', 'status'],
  });
  // Looking a series up by its labels costs more than counting; there are few pairs, since neither comes from the caller.
  const counters = new Map<string, Map<number, ReturnType<typeof requests>>>();
  const counterOf = (route: string, status: number) => {
    let byStatus = counters.get(route);
    if (byStatus === undefined) counters.set(route, (byStatus = new Map()));
    let counter = byStatus.get(status);
    if (counter === undefined) byStatus.set(status, (counter = requests({ route, status: String(status) })));
    return counter;
  };
  return createHttpApp({
    capabilities: house.capabilities,
    identity,
    clock: house.clock,
    ids: house.ids,
    log: { error: (message, fields) => log({ level: 'error', message, fields }) },
    idempotency: createIdempotencyStore(records, systemClock),
    options: {
      version: VERSION,
      isReady,
      onShed: (error) => house.serving.shed(error, { project: '', release: '' }),
      observe: ({ route, status }) => counterOf(route ?? 'none', status).add(),
    },
  });
}

async function listenOn(http: HttpApp, port: number): Promise<Listening> {
  try {
    return await listen(http, { port, host: HOST });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw new PortInUseError(port);
    throw error;
  }
}

async function startWork(
  house: House,
  records: Records,
  { log, jobs }: { readonly log: Log; readonly jobs: readonly Job[] },
  closing: (() => Promise<unknown>)[],
): Promise<void> {
  const { workflows, routing, capabilities } = house;
  workflows.register(capabilities.flatMap((capability) => capability.workflows ?? []));
  await workflows.launch();
  closing.push(() => workflows.shutdown());
  const unlisten = await records.listen('slipway_change', (project) => routing.refresh(project));
  closing.push(unlisten);
  closing.push(startJobs([...capabilities.flatMap((capability) => capability.jobs ?? []), ...jobs], log));
}

/** Fills an empty home, or with `force` any, from a backup file. @throws {HomeNotEmptyError} */
export async function restoreBackup(
  options: Omit<ServerOptions, 'listen'> & { readonly file: string; readonly force: boolean },
): Promise<BackupSummary> {
  // Before anything is made or replaced: a damaged file must not cost the home that it was to fill.
  await verifyBackup(options.file);
  const closing: (() => Promise<unknown>)[] = [];
  try {
    const home = await openHome(options.home);
    closing.push(() => home.release());
    const used = await readFile(home.path('replica'), 'utf8').then(
      () => true,
      () => false,
    );
    if (used && !options.force) throw new HomeNotEmptyError(home.directory);
    if (used)
      for (const folder of ['records', 'objects', 'telemetry', 'work', 'replica'])
        await rm(home.path(folder), { recursive: true, force: true });
    const { records, objects, replica } = await openStores(home, options, closing);
    // The workflow engine makes its own tables when it starts.
    const house = await compose({
      records,
      objects,
      directory: (name) => home.path(name),
      durability: 'process',
      applicationVersion: VERSION,
      executorId: `executor-${replica}`,
      replica,
      trainingThreads: 1,
      secretKey: options.secretKey,
      publicUrl: () => '',
      log: () => {},
    });
    closing.push(() => house.data.close());
    closing.push(() => house.telemetry.close());
    await house.workflows.launch();
    await house.workflows.shutdown();
    return await restoreStores({ records, objects }, options.file);
  } finally {
    for (const step of closing.toReversed()) await step().catch(() => {});
  }
}
