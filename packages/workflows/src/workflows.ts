import { randomUUID } from 'node:crypto';
import type { Audit } from '@slipway/audit';
import type { Clock, Ids, Json, Page, Principal, WorkflowDefinition } from '@slipway/kernel';
import type { Records, Tx } from '@slipway/records';
import { Definitions } from './definitions.ts';
import { openDelays, requeueExecutors } from './engine-store.ts';
import { NUDGE_TIMERS_LIMIT, launchEngine, type Engine } from './engine.ts';
import { listEvents } from './event-store.ts';
import { DefinitionError, WaitTimeoutError } from './errors.ts';
import { Executor } from './executor.ts';
import { dropLease, takeLease } from './lease-store.ts';
import { LEASE_DEFAULT_MS, QUEUE_CONCURRENCY_DEFAULT, SCHEDULE_LIMIT, SHUTDOWN_DRAIN_MS } from './limits.ts';
import type { Log } from './log.ts';
import type { RunNotice } from './notices.ts';
import { cancelRun, retryRun, signalRun, startRun, type StartRequest } from './run-changes.ts';
import { RunFeed } from './run-feed.ts';
import { listRuns, readRun, sendNotice, type ListRuns } from './run-store.ts';
import { hasEnded, type Run, type RunEvent, type RunUpdate } from './run.ts';
import { listSchedules, type Schedule } from './schedule-store.ts';
import { fireDueSchedules, removeSchedule, setSchedule, type ScheduleRequest } from './schedules.ts';
import { Upkeep, reconcile, takeOver } from './upkeep.ts';

export interface WorkflowsDeps {
  readonly records: Records;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
  /** Stable for the one process on an embedded store; unique per process on a shared one. */
  readonly executorId: string;
  /** Of this program; recorded with each run it starts. */
  readonly applicationVersion: string;
  /** How long a silent worker keeps its runs. Default {@link LEASE_DEFAULT_MS}. */
  readonly leaseMs?: number;
  /** How many runs of a queue execute at a time over all processes. Others get {@link QUEUE_CONCURRENCY_DEFAULT}. */
  readonly queues?: readonly { readonly name: string; readonly concurrency: number }[];
  /** Where operators read; nothing is printed without it. */
  readonly log?: Log;
  /** Does the work of each step twice, as if the process had died between its end and its record. For tests. */
  readonly repeatSteps?: boolean;
}

export interface FollowOptions {
  /** Only events after this one; default all. */
  readonly afterSeq?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Durable runs: they survive the process, and each change of one is one transaction with its audit event. */
export interface Workflows {
  /** Makes workflows known; before `launch`. @throws {DefinitionError} */
  register(definitions: readonly WorkflowDefinition[]): void;
  /** Starts executing: continues what an earlier process left, then takes new runs. @throws {AlreadyLaunchedError} */
  launch(): Promise<void>;
  /** Stops executing. Steps that are running may finish; what is left continues at the next launch or elsewhere. */
  shutdown(): Promise<void>;
  /**
   * Adds a run to the caller's transaction: its commit starts it, a rollback forgets it. Call it after the caller's own
   * writes (it appends to the audit log, see {@link Audit.append}). With a `runId` that exists, returns that run.
   * @throws {UnknownWorkflowError} {@link RunInputError} {@link RunIdTakenError}
   */
  start(tx: Tx, request: StartRequest): Promise<Run>;
  /** @throws {NotFoundError} as all of the below, also for another project's run. */
  get(project: string, id: string): Promise<Run>;
  /** Newest first. */
  list(project: string, options: ListRuns): Promise<Page<Run>>;
  events(project: string, id: string, options: { afterSeq?: number; limit: number }): Promise<RunEvent[]>;
  /** Everything about a run in order, then live; ends with the run's end, the signal, or the reader. */
  follow(project: string, id: string, options?: FollowOptions): AsyncGenerator<RunUpdate>;
  /** As `follow`, by callback. @returns what stops it. Errors go to the log. */
  subscribe(project: string, id: string, handler: (update: RunUpdate) => void, options?: { afterSeq?: number }): () => void;
  /** Resolves when the run has ended, however. @throws {WaitTimeoutError} */
  wait(project: string, id: string, options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<Run>;
  /** Ends a run and those it started; one already cancelled stays as it is. @throws {RunEndedError} */
  cancel(project: string, id: string, principal: Principal): Promise<Run>;
  /** Continues a failed or cancelled run after its last finished step. @throws {RunNotRetryableError} */
  retry(project: string, id: string, principal: Principal): Promise<Run>;
  /** Gives a value to the run's `waitFor` of that name, now or when it gets there. @throws {RunEndedError} */
  signal(project: string, id: string, name: string, value: Json): Promise<void>;
  /** Sets or replaces a schedule. @throws {CronError} {@link UnknownWorkflowError} {@link RunInputError} */
  schedule(tx: Tx, request: ScheduleRequest): Promise<void>;
  /** @throws {NotFoundError} */
  unschedule(tx: Tx, request: { project: string; principal: Principal; name: string }): Promise<void>;
  schedules(project: string): Promise<Schedule[]>;
}

/** What exists between launch and shutdown. */
interface Running {
  readonly engine: Engine;
  readonly executor: Executor;
  readonly upkeep: Upkeep;
  readonly lease: { executor: string; instance: string; leaseMs: number; definitions: string[] };
}

export function createWorkflows(deps: WorkflowsDeps): Workflows {
  return new WorkflowsService(deps);
}

class WorkflowsService implements Workflows {
  readonly #deps: WorkflowsDeps;
  readonly #log: Log;
  readonly #definitions = new Definitions();
  readonly #feed: RunFeed;
  #running: Running | undefined;

  constructor(deps: WorkflowsDeps) {
    this.#deps = deps;
    this.#log = deps.log ?? (() => {});
    this.#feed = new RunFeed({ records: deps.records, log: this.#log, onNotice: (notice) => this.#hear(notice) });
  }

  register(definitions: readonly WorkflowDefinition[]): void {
    if (this.#running) throw new DefinitionError('Workflows are registered before the launch.');
    for (const definition of definitions) this.#definitions.add(definition);
  }

  async launch(): Promise<void> {
    const { records, executorId } = this.#deps;
    const lease = {
      executor: executorId,
      instance: randomUUID(),
      leaseMs: this.#deps.leaseMs ?? LEASE_DEFAULT_MS,
      definitions: this.#definitions.keys(),
    };
    const executor = new Executor({ ...this.#deps, log: this.#log, definitions: this.#definitions });
    // Before the engine hands out runs: a worker without a lease would lose them at once.
    await takeLease(records.db, lease);
    const engine = await launchEngine({
      records,
      executorId,
      queues: this.#queues(),
      log: this.#log,
      execute: (run) => executor.execute(run),
    });
    executor.attach(engine);
    const upkeep = new Upkeep(this.#upkeepDeps(executor, lease), lease.leaseMs);
    this.#running = { engine, executor, upkeep, lease };
    await this.#feed.start();
    await reconcile(this.#upkeepDeps(executor, lease));
    await takeOver(this.#upkeepDeps(executor, lease));
    for (const queue of this.#queues()) engine.nudge(queue.name);
    for (const { queue, delayMs } of await openDelays(records.db, NUDGE_TIMERS_LIMIT)) engine.nudge(queue, delayMs);
    upkeep.start();
  }

  async shutdown(): Promise<void> {
    const running = this.#running;
    if (!running) return this.#feed.stop();
    this.#running = undefined;
    await running.upkeep.stop();
    await running.executor.stop(SHUTDOWN_DRAIN_MS);
    await running.engine.shutdown();
    await this.#deps.records.transaction(async (tx) => {
      await dropLease(tx, running.lease);
      const left = await requeueExecutors(tx, [running.lease.executor]);
      for (const { id, queue } of left) await sendNotice(tx, { kind: 'queued', run: id, queue });
    });
    await this.#feed.stop();
  }

  start(tx: Tx, request: StartRequest): Promise<Run> {
    return startRun({ ...this.#deps, definitions: this.#definitions }, tx, request);
  }

  get(project: string, id: string): Promise<Run> {
    return readRun(this.#deps.records.db, project, id);
  }

  list(project: string, options: ListRuns): Promise<Page<Run>> {
    return listRuns(this.#deps.records.db, project, options);
  }

  async events(project: string, id: string, options: { afterSeq?: number; limit: number }): Promise<RunEvent[]> {
    await readRun(this.#deps.records.db, project, id);
    return listEvents(this.#deps.records.db, id, { afterSeq: options.afterSeq ?? 0, limit: options.limit });
  }

  follow(project: string, id: string, options: FollowOptions = {}): AsyncGenerator<RunUpdate> {
    return this.#feed.follow(project, id, options);
  }

  subscribe(project: string, id: string, handler: (update: RunUpdate) => void, options: { afterSeq?: number } = {}): () => void {
    const stop = new AbortController();
    const deliver = async () => {
      for await (const update of this.#feed.follow(project, id, { ...options, signal: stop.signal })) {
        if (stop.signal.aborted) return;
        handler(update);
      }
    };
    deliver().catch((error: unknown) => this.#log({ level: 'warn', message: `A subscription to ${id} ended early.`, error, run: id }));
    return () => stop.abort();
  }

  async wait(project: string, id: string, options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<Run> {
    const timeout = options.timeoutMs === undefined ? [] : [AbortSignal.timeout(options.timeoutMs)];
    const signal = AbortSignal.any([...timeout, ...(options.signal ? [options.signal] : [])]);
    for await (const update of this.#feed.follow(project, id, { afterSeq: Number.MAX_SAFE_INTEGER, signal })) {
      if (update.type === 'run' && hasEnded(update.run.status)) return update.run;
    }
    options.signal?.throwIfAborted();
    throw new WaitTimeoutError(`Run ${id} had not ended after ${options.timeoutMs} ms.`, {
      details: { run: id },
      help: 'The run goes on; ask again later.',
    });
  }

  cancel(project: string, id: string, principal: Principal): Promise<Run> {
    return cancelRun(this.#deps, { project, id, principal });
  }

  retry(project: string, id: string, principal: Principal): Promise<Run> {
    return retryRun(this.#deps, { project, id, principal });
  }

  signal(project: string, id: string, name: string, value: Json): Promise<void> {
    return signalRun(this.#deps, { project, id, name, value });
  }

  schedule(tx: Tx, request: ScheduleRequest): Promise<void> {
    return setSchedule(this.#schedulesDeps(), tx, request);
  }

  unschedule(tx: Tx, request: { project: string; principal: Principal; name: string }): Promise<void> {
    return removeSchedule(this.#schedulesDeps(), tx, request);
  }

  schedules(project: string): Promise<Schedule[]> {
    return listSchedules(this.#deps.records.db, project, SCHEDULE_LIMIT);
  }

  #hear(notice: RunNotice): void {
    if (notice.kind === 'queued') this.#running?.engine.nudge(notice.queue, notice.delayMs);
    else if (notice.kind === 'cancelled') this.#running?.executor.cancel(notice.run);
  }

  #queues(): { name: string; concurrency: number }[] {
    const given = this.#deps.queues ?? [];
    const names = new Set([...given.map((queue) => queue.name), ...this.#definitions.queues()]);
    return [...names].map((name) => given.find((queue) => queue.name === name) ?? { name, concurrency: QUEUE_CONCURRENCY_DEFAULT });
  }

  #schedulesDeps() {
    const { records, audit } = this.#deps;
    const start = (tx: Tx, request: StartRequest) => this.start(tx, request);
    return { records, audit, log: this.#log, definitions: this.#definitions, start };
  }

  #upkeepDeps(executor: Executor, lease: Running['lease']) {
    const { records, audit, clock } = this.#deps;
    return {
      records,
      audit,
      clock,
      log: this.#log,
      lease: () => lease,
      runsHere: () => executor.runs(),
      cancelHere: (run: string) => executor.cancel(run),
      checkFeed: async () => void (await this.#feed.check()),
      fireSchedules: () => fireDueSchedules(this.#schedulesDeps()),
      onLeaseLost: () => void this.#stopExecuting(),
    };
  }

  /** Another process took this executor id. Its runs are that process's now, so nothing is given back. */
  async #stopExecuting(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    this.#running = undefined;
    await running.executor.stop(0);
    await Promise.all([running.upkeep.stop(), running.engine.shutdown()]);
  }
}
