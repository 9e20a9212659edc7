import type { Records } from '@slipway/records';
import type { DBOSSerializer, DLogger, WorkflowQueue } from '@dbos-inc/dbos-sdk';
import { AlreadyLaunchedError } from './errors.ts';
import { RECOVERY_LIMIT } from './limits.ts';
import type { Log } from './log.ts';

/** The one function the engine knows; which workflow a run is stands in the run's own row. */
export const ENGINE_FUNCTION = 'slipway.run';
/** The application's name and version towards the engine: fixed, because runs are pinned by their own definition's version. */
export const ENGINE_APPLICATION = 'slipway';
export const ENGINE_VERSION = '1';

/**
 * Queues are told of new runs at once; this poll is for what no notification told, such as a delay that is over. An idle
 * server that asks every second keeps 8 % of a processor busy with its own questions.
 */
const QUEUE_POLL_MS = 5_000;
/** The engine looks this often for delays that are over, and only then gives the runs to be claimed. */
const DELAY_OVER_MS = 1_100;
/** Delays that are waited for in this process; beyond either the poll finds the run, a little later. */
export const NUDGE_TIMERS_LIMIT = 1_000;
const NUDGE_DELAY_MAX_MS = 3_600_000;
/** A claim that met another process's claim is tried again soon, this often. */
const CLAIM_RETRY_LIMIT = 8;
const CLAIM_RETRY_MS = 25;

export interface EngineQueue {
  readonly name: string;
  readonly concurrency: number;
}

export interface EngineOptions {
  readonly records: Records;
  readonly executorId: string;
  readonly queues: readonly EngineQueue[];
  readonly log: Log;
  /** Executes a run, given its id; what it throws is the engine's outcome. */
  readonly execute: (run: string) => Promise<void>;
}

/** The durable engine as the rest of the workspace sees it; its own types stay in this file. */
export interface Engine {
  /** Claims what waits in a queue, now or after a delay. */
  nudge(queue: string, delayMs?: number): void;
  /** Runs `work` once and stores its result under the calling run's next position. */
  step(name: string, work: () => Promise<unknown>): Promise<unknown>;
  /** Waits for a message; null when the time runs out. Takes two positions. */
  receive(topic: string, timeoutMs: number): Promise<unknown>;
  /** Whether the caller is inside a step's work. */
  insideStep(): boolean;
  /** Whether an error means that this execution has lost its run (cancelled, or taken over) and must go no further. */
  isParked(error: unknown): boolean;
  /** Whether an error means that stored steps do not fit the code. */
  isChanged(error: unknown): boolean;
  shutdown(): Promise<void>;
}

/** Plain JSON: steps return nothing else, and what is stored stays readable. */
const plainJson: DBOSSerializer = {
  name: () => 'slipway_json',
  stringify: (value) => JSON.stringify(value ?? null),
  parse: (text) => (text === null || text === undefined ? null : JSON.parse(text)),
};

/** What the engine warns of although it is part of a normal day: cancelled and failed runs, shutdowns, claims that met. */
const EVERYDAY =
  /^run failed:|outcome was not recorded|cancelled during execution|no longer owned by this execution|has been cancelled|Shutting down while|Contention detected|Increasing polling interval|exceeds the global concurrency/;

function engineLogger(log: Log): DLogger {
  const write = (level: 'debug' | 'warn', entry: unknown, error?: unknown) => {
    const message = entry instanceof Error ? entry.message : String(entry);
    log({ level: EVERYDAY.test(message) ? 'debug' : level, message, ...(error === undefined ? {} : { error }) });
  };
  return {
    debug: () => {},
    info: (entry) => write('debug', entry),
    warn: (entry) => write('warn', entry),
    error: (entry, metadata) => write('warn', entry, metadata?.error ?? entry),
  };
}

let live: object | undefined;

const loadEngine = async () => {
  const [sdk, queues, executors, errors] = await Promise.all([
    import('@dbos-inc/dbos-sdk'),
    import('@dbos-inc/dbos-sdk/internal/wfqueue'),
    import('@dbos-inc/dbos-sdk/internal/dbos-executor'),
    import('@dbos-inc/dbos-sdk/internal/error'),
  ]);
  return { DBOS: sdk.DBOS, runner: queues.wfQueueRunner, DBOSExecutor: executors.DBOSExecutor, errors };
};
type Loaded = Awaited<ReturnType<typeof loadEngine>>;

/**
 * Loads and starts the engine on the records' pool. It is one per process.
 * @throws {AlreadyLaunchedError} when this process runs another one.
 */
export async function launchEngine(options: EngineOptions): Promise<Engine> {
  if (live) {
    throw new AlreadyLaunchedError('The workflow engine already runs in this process.', {
      help: 'Shut the first one down before launching another.',
    });
  }
  const token = {};
  live = token;
  const loaded = await loadEngine();
  const { DBOS } = loaded;
  try {
    DBOS.setConfig({
      name: ENGINE_APPLICATION,
      applicationVersion: ENGINE_VERSION,
      executorID: options.executorId,
      // Never connected to: the pool below is used instead, but the engine insists on the form of an address.
      systemDatabaseUrl: 'postgresql://slipway@localhost/slipway',
      systemDatabasePool: options.records.pool,
      serializer: plainJson,
      logger: engineLogger(options.log),
      enableOTLP: false,
      tracingEnabled: false,
      // Schedules are ours (see schedules.ts); the engine's own are not used.
      schedulerPollingIntervalMs: 3_600_000,
    });
    DBOS.registerWorkflow(options.execute, { name: ENGINE_FUNCTION, maxRecoveryAttempts: RECOVERY_LIMIT });
    await DBOS.launch();
    const queues = new Map<string, WorkflowQueue>();
    for (const queue of options.queues) queues.set(queue.name, await registerQueue(loaded, queue));
    return engineOver(loaded, queues, () => {
      if (live === token) live = undefined;
    });
  } catch (error) {
    await DBOS.shutdown({ deregister: true }).catch(() => {});
    live = undefined;
    throw error;
  }
}

async function registerQueue({ DBOS }: Loaded, queue: EngineQueue): Promise<WorkflowQueue> {
  return DBOS.registerQueue(queue.name, {
    globalConcurrency: queue.concurrency,
    minPollingIntervalMs: QUEUE_POLL_MS,
    onConflict: 'always_update',
  });
}

function engineOver(loaded: Loaded, queues: ReadonlyMap<string, WorkflowQueue>, forget: () => void): Engine {
  const { DBOS, errors } = loaded;
  const claims = createClaims(loaded, queues);
  return {
    nudge: claims.nudge,
    step: (name, work) => DBOS.runStep(work, { name }),
    receive: (topic, timeoutMs) => DBOS.recv(topic, { timeoutSeconds: timeoutMs / 1000 }),
    insideStep: () => DBOS.isWithinWorkflow() && DBOS.isInStep(),
    isParked: (error) => error instanceof errors.DBOSWorkflowConflictError || error instanceof errors.DBOSWorkflowCancelledError,
    isChanged: (error) => error instanceof errors.DBOSUnexpectedStepError || error instanceof errors.DBOSStepNondeterminismError,
    async shutdown() {
      claims.stop();
      await DBOS.shutdown({ deregister: true });
      forget();
    },
  };
}

/** One claim from one queue: private in the engine's types, and the only way to claim without waiting for its poll. */
interface Claiming {
  /** @returns whether another process was claiming at the same time. */
  pollQueue(executor: unknown, queue: WorkflowQueue): Promise<boolean>;
}

/** Claims at once instead of at the next poll: measured 5-15 ms from commit to first step, against up to a second. */
function createClaims({ runner, DBOSExecutor }: Loaded, queues: ReadonlyMap<string, WorkflowQueue>) {
  const claiming = new Set<string>();
  const again = new Set<string>();
  let stopped = false;
  const claim = async (queue: WorkflowQueue) => {
    for (let attempt = 0; attempt < CLAIM_RETRY_LIMIT && !stopped; attempt += 1) {
      const executor = DBOSExecutor.globalInstance;
      if (!executor?.initialized) return;
      const contended = await (runner as unknown as Claiming).pollQueue(executor, queue);
      if (!contended) return;
      await new Promise((resolve) => setTimeout(resolve, CLAIM_RETRY_MS * (0.5 + Math.random())));
    }
  };
  const nudge = (name: string) => {
    const queue = queues.get(name);
    if (!queue || stopped) return;
    if (claiming.has(name)) {
      again.add(name);
      return;
    }
    claiming.add(name);
    void claim(queue).finally(() => {
      claiming.delete(name);
      if (again.delete(name)) nudge(name);
    });
  };
  const timers = new Set<NodeJS.Timeout>();
  const nudgeLater = (name: string, delayMs: number) => {
    if (timers.size >= NUDGE_TIMERS_LIMIT || delayMs > NUDGE_DELAY_MAX_MS) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      nudge(name);
    }, delayMs + DELAY_OVER_MS).unref();
    timers.add(timer);
  };
  return {
    nudge: (name: string, delayMs = 0) => (delayMs > 0 ? nudgeLater(name, delayMs) : nudge(name)),
    stop: () => {
      stopped = true;
      for (const timer of timers) clearTimeout(timer);
    },
  };
}
