import type { Audit } from '@slipway/audit';
import type { Clock } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { deadExecutors, lostRuns, requeueExecutors } from './engine-store.ts';
import { RECOVERY_LIMIT } from './limits.ts';
import { EngineEndedError, RecoveryExhaustedError } from './errors.ts';
import { renewLease, sweepLeases, type Lease } from './lease-store.ts';
import type { Log } from './log.ts';
import { cancelledAmong, endRun, sendNotice } from './run-store.ts';
import { errorOf } from './step-codec.ts';

export interface UpkeepDeps {
  readonly records: Records;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly log: Log;
  readonly lease: () => Lease;
  readonly runsHere: () => string[];
  readonly cancelHere: (run: string) => void;
  readonly fireSchedules: () => Promise<void>;
  readonly checkFeed: () => Promise<void>;
  /** Another start of this executor id holds the lease: two processes claim to be one worker. */
  readonly onLeaseLost: () => void;
}

const TICK_MS = 1_000;
const RECONCILE_MS = 10_000;
const FEED_CHECK_MS = 5_000;
const SWEEP_MS = 3_600_000;
/** Dead workers and lost runs dealt with in one pass; the next pass takes more. */
const PASS_LIMIT = 100;

interface Duty {
  readonly name: string;
  readonly everyMs: number;
  readonly run: () => Promise<void>;
}

/** What a worker does besides executing runs; each duty may fail and is tried again at its next time. */
export class Upkeep {
  readonly #deps: UpkeepDeps;
  readonly #duties: readonly Duty[];
  readonly #dueMs = new Map<Duty, number>();
  #timer: NodeJS.Timeout | undefined;
  #pass: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(deps: UpkeepDeps, leaseMs: number) {
    this.#deps = deps;
    const heartbeatMs = Math.max(50, Math.floor(leaseMs / 3));
    this.#duties = [
      { name: 'heartbeat', everyMs: heartbeatMs, run: () => this.#heartbeat() },
      { name: 'takeover', everyMs: heartbeatMs, run: () => takeOver(deps) },
      { name: 'cancel', everyMs: TICK_MS, run: () => this.#cancel() },
      { name: 'schedules', everyMs: TICK_MS, run: deps.fireSchedules },
      { name: 'reconcile', everyMs: RECONCILE_MS, run: () => reconcile(deps) },
      { name: 'feed', everyMs: FEED_CHECK_MS, run: deps.checkFeed },
      { name: 'sweep', everyMs: SWEEP_MS, run: () => sweepLeases(deps.records.db) },
    ];
  }

  start(): void {
    const tickMs = Math.min(TICK_MS, ...this.#duties.map((duty) => duty.everyMs));
    const tick = () => {
      this.#pass = this.#runDue().finally(() => {
        if (!this.#stopped) this.#timer = setTimeout(tick, tickMs).unref();
      });
    };
    this.#timer = setTimeout(tick, tickMs).unref();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#pass;
  }

  async #runDue(): Promise<void> {
    for (const duty of this.#duties) {
      const nowMs = this.#deps.clock.monotonicMs();
      if (this.#stopped || nowMs < (this.#dueMs.get(duty) ?? 0)) continue;
      this.#dueMs.set(duty, nowMs + duty.everyMs);
      try {
        await duty.run();
      } catch (error) {
        if (!this.#stopped) this.#deps.log({ level: 'warn', message: `Workflow upkeep "${duty.name}" failed; it is tried again.`, error });
      }
    }
  }

  async #heartbeat(): Promise<void> {
    if (await renewLease(this.#deps.records.db, this.#deps.lease())) return;
    this.#deps.log({
      level: 'error',
      message: `Another process works as executor ${this.#deps.lease().executor}; this one stops executing runs.`,
    });
    this.#deps.onLeaseLost();
  }

  /** A cancellation is told by notification; this is for one that got lost. */
  async #cancel(): Promise<void> {
    const runs = this.#deps.runsHere();
    if (runs.length === 0) return;
    for (const run of await cancelledAmong(this.#deps.records.db, runs)) this.#deps.cancelHere(run);
  }
}

/** Gives the runs of workers without a valid lease back to their queues. */
export async function takeOver(deps: Pick<UpkeepDeps, 'records' | 'log' | 'lease'>): Promise<void> {
  const dead = (await deadExecutors(deps.records.db, PASS_LIMIT)).filter((executor) => executor !== deps.lease().executor);
  if (dead.length === 0) return;
  await deps.records.transaction(async (tx) => {
    // Read again under the transaction: a worker may have come back meanwhile.
    const stillDead = (await deadExecutors(tx, PASS_LIMIT)).filter((executor) => dead.includes(executor));
    const runs = await requeueExecutors(tx, stillDead);
    for (const { id, queue } of runs) await sendNotice(tx, { kind: 'queued', run: id, queue });
    if (runs.length > 0)
      deps.log({ level: 'warn', message: `Took over ${runs.length} runs of ${stillDead.join(', ')}, whose lease is out.` });
  });
}

/** Ends runs that the engine has given up: their row would say "running" for ever. */
export async function reconcile(deps: Pick<UpkeepDeps, 'records' | 'audit' | 'clock' | 'log'>): Promise<void> {
  for (const { id, engineStatus } of await lostRuns(deps.records.db, PASS_LIMIT)) {
    const error =
      engineStatus === 'MAX_RECOVERY_ATTEMPTS_EXCEEDED' ? exhausted() : new EngineEndedError('The workflow engine ended this run.');
    deps.log({
      level: 'error',
      message: `Run ${id} is over for the engine (${engineStatus ?? 'unknown there'}) and was not ended.`,
      run: id,
    });
    await deps.records.transaction(async (tx) => {
      const end = { id, execution: null, status: 'failed' as const, output: undefined, failedStep: null, atMs: deps.clock.nowMs() };
      const run = await endRun(tx, { ...end, error: errorOf(error, id) });
      if (!run) return;
      const data = { workflow: run.workflow, code: error.code };
      await deps.audit.append(tx, run.project, {
        type: 'workflows.run.failed',
        principal: run.principal.id,
        subject: { kind: 'run', id },
        data,
      });
    });
  }
}

function exhausted(): RecoveryExhaustedError {
  return new RecoveryExhaustedError(`The process died ${RECOVERY_LIMIT} times while it executed this run.`, {
    help: 'Find out what ends the process (often memory), then retry the run.',
  });
}
