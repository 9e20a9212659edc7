import {
  CancelledError,
  InvalidError,
  PlatformError,
  type Clock,
  type Json,
  type ProgressEvent,
  type WorkflowContext,
} from '@slipway/kernel';
import type { Records } from '@slipway/records';
import type { Engine } from './engine.ts';
import { ChangedWorkflowError } from './errors.ts';
import { EVENT_DATA_LIMIT_BYTES, STEP_RETRY_LIMIT, STEP_RETRY_PAUSE_MAX_MS, STEP_RETRY_PAUSE_MS, TEXT_LIMIT } from './limits.ts';
import type { Log } from './log.ts';
import { appendEvent, type NewEvent } from './event-store.ts';
import type { Run } from './run.ts';
import { asJson, decodeFailure, encodeFailure } from './step-codec.ts';

/** One execution of a run in this process; a run taken over or retried gets another. */
export interface Execution {
  readonly run: Run;
  /** Unguessable; stored with the run so that only its latest execution may end it. */
  readonly token: string;
  readonly abort: AbortController;
}

export interface ContextDeps {
  readonly records: Records;
  readonly clock: Clock;
  readonly engine: Engine;
  readonly log: Log;
  /** Set when this process is shutting down: executions stand still and go on after the next launch. */
  readonly stopping: () => boolean;
  /** Steps whose work is running now; a shutdown waits for them. */
  readonly activeSteps: Set<Promise<unknown>>;
  /** Does the work of each step twice; for tests. */
  readonly repeatSteps?: boolean | undefined;
}

/** An execution that may go no further waits for ever; nothing holds it, so it is collected. */
export const standStill = <T>(): Promise<T> => new Promise<T>(() => {});

/** A step that the workflow's code does not await must not end the process when it fails; its failure is stored and logged. */
function watched<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** What a workflow's code sees of its run. Positions count the stored steps exactly as the engine does. */
export class RunContext implements WorkflowContext {
  readonly run: string;
  readonly project: string;
  readonly principal: Run['principal'];
  readonly signal: AbortSignal;
  readonly #deps: ContextDeps;
  readonly #execution: Execution;
  #nextPosition = 0;
  #reported = 0;

  constructor(deps: ContextDeps, execution: Execution) {
    this.#deps = deps;
    this.#execution = execution;
    this.run = execution.run.id;
    this.project = execution.run.project;
    this.principal = execution.run.principal;
    this.signal = execution.abort.signal;
  }

  step<T extends Json | void>(name: string, work: () => Promise<T>, options: { readonly retries?: number } = {}): Promise<T> {
    return watched(this.#step(name, work, options.retries ?? 0));
  }

  async #step<T extends Json | void>(name: string, work: () => Promise<T>, wanted: number): Promise<T> {
    const retries = checkStep(name, wanted);
    const stored = await this.#durable(1, (_position, abandon) =>
      this.#deps.engine.step(name, () => this.#attempts({ name, retries, abandon }, work)),
    );
    return (stored as { value?: T }).value as T;
  }

  async progress(event: ProgressEvent): Promise<void> {
    if (this.signal.aborted) return;
    const inside = this.#deps.engine.insideStep();
    const position = inside ? null : `${this.#nextPosition}.${(this.#reported += 1)}.${event.phase.slice(0, 100)}`;
    await this.#append({
      run: this.run,
      execution: this.#execution.token,
      atMs: this.#deps.clock.nowMs(),
      phase: cleanText(event.phase),
      message: event.message === undefined ? null : cleanText(event.message),
      ratio: event.ratio === undefined || Number.isNaN(event.ratio) ? null : Math.min(1, Math.max(0, event.ratio)),
      data: boundedData(event.data),
      position,
    });
  }

  /** Progress that cannot be stored is no reason to fail a run. */
  async #append(event: NewEvent): Promise<void> {
    try {
      await appendEvent(this.#deps.records.db, event);
    } catch (error) {
      this.#deps.log({ level: 'warn', message: `Progress of ${this.run} was not stored.`, error, run: this.run });
    }
  }

  sleep(milliseconds: number): Promise<void> {
    return watched(this.#sleep(milliseconds));
  }

  async #sleep(milliseconds: number): Promise<void> {
    const pauseMs = checkDuration(milliseconds, 'sleep');
    const untilMs = await this.step('slipway.sleep', async () => this.#deps.clock.nowMs() + pauseMs);
    await this.#pause(untilMs - this.#deps.clock.nowMs());
  }

  waitFor(signal: string, timeoutMs: number): Promise<Json | undefined> {
    return watched(this.#waitFor(signal, timeoutMs));
  }

  async #waitFor(signal: string, timeoutMs: number): Promise<Json | undefined> {
    const waitMs = checkDuration(timeoutMs, 'waitFor');
    const message = await this.#durable(2, () => this.#untilAborted(this.#deps.engine.receive(signalTopic(signal), waitMs)));
    return (message as { value: Json } | null)?.value;
  }

  /** Takes the next positions and translates what the engine throws. */
  async #durable(positions: number, run: (position: number, abandon: () => void) => Promise<unknown>): Promise<unknown> {
    if (this.#deps.engine.insideStep()) {
      throw new InvalidError('A step cannot contain another step, a sleep or a wait: it is stored as a whole.', {
        help: 'Move it out of the step.',
      });
    }
    if (this.#deps.stopping()) return standStill();
    const position = this.#nextPosition;
    this.#nextPosition += positions;
    this.#reported = 0;
    const active = Promise.withResolvers<void>();
    this.#deps.activeSteps.add(active.promise);
    try {
      const result = await run(position, active.resolve);
      return this.#deps.stopping() ? await this.#leave(active.resolve) : result;
    } catch (thrown) {
      if (this.#deps.stopping()) return await this.#leave(active.resolve);
      if (this.#deps.engine.isChanged(thrown)) throw changed(this.#execution.run, thrown);
      throw decodeFailure(thrown, position) ?? thrown;
    } finally {
      active.resolve();
      this.#deps.activeSteps.delete(active.promise);
    }
  }

  /** The process is shutting down: nothing more of this step is worth waiting for. */
  #leave(abandon: () => void): Promise<never> {
    abandon();
    return standStill();
  }

  /** Runs the work, again if it failed and may succeed; its outcome, good or bad, is what the engine stores. */
  async #attempts(step: { name: string; retries: number; abandon: () => void }, work: () => Promise<Json | void>): Promise<unknown> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        this.signal.throwIfAborted();
        if (this.#deps.repeatSteps) await work();
        const value = await work();
        return value === undefined ? {} : { value: asJson(value, `The result of step "${step.name}"`) };
      } catch (thrown) {
        if (this.#deps.stopping()) return this.#leave(step.abandon);
        if (this.signal.aborted || this.#deps.engine.isParked(thrown)) throw thrown;
        if (attempt >= step.retries || !worthRepeating(thrown)) {
          this.#logFailure(step.name, thrown);
          throw encodeFailure(thrown, step.name, this.run);
        }
        await this.#pause(Math.min(STEP_RETRY_PAUSE_MAX_MS, STEP_RETRY_PAUSE_MS * 2 ** attempt));
      }
    }
  }

  #logFailure(step: string, thrown: unknown): void {
    if (thrown instanceof PlatformError) return;
    this.#deps.log({ level: 'error', message: `Step "${step}" of ${this.run} failed.`, error: thrown, run: this.run });
  }

  async #pause(milliseconds: number): Promise<void> {
    for (let left = milliseconds; left > 0; left -= MAX_TIMER_MS)
      await this.#untilAborted(delay(Math.min(left, MAX_TIMER_MS), this.signal));
    this.signal.throwIfAborted();
  }

  /** A cancelled run need not wait for what it was waiting for. */
  async #untilAborted<T>(waiting: Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    waiting.catch(() => {});
    let stop = () => {};
    const aborted = new Promise<never>((_, reject) => {
      stop = () => reject(this.signal.reason as Error);
      this.signal.addEventListener('abort', stop, { once: true });
    });
    try {
      return await Promise.race([waiting, aborted]);
    } finally {
      this.signal.removeEventListener('abort', stop);
    }
  }
}

/** Longest time one timer can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1;
const NAME = /^[\w][\w .:/-]{0,99}$/;

/** The topic under which a signal travels. @throws {InvalidError} for a name that cannot be one. */
export function signalTopic(name: string): string {
  if (!NAME.test(name)) throw new InvalidError(`"${name.slice(0, 100)}" cannot be the name of a signal.`, { help: NAME_HELP });
  return `signal:${name}`;
}

const NAME_HELP = 'Use 1 to 100 letters, digits, spaces and . : / _ -';

function checkStep(name: string, retries: number): number {
  if (!NAME.test(name)) throw new InvalidError(`"${name.slice(0, 100)}" cannot be the name of a step.`, { help: NAME_HELP });
  if (!Number.isInteger(retries) || retries < 0 || retries > STEP_RETRY_LIMIT) {
    throw new InvalidError(`retries of step "${name}" must be an integer in 0..${STEP_RETRY_LIMIT}, got ${retries}.`);
  }
  return retries;
}

function checkDuration(milliseconds: number, what: string): number {
  if (!Number.isFinite(milliseconds)) throw new InvalidError(`${what} needs a finite number of milliseconds, got ${milliseconds}.`);
  return Math.max(0, Math.ceil(milliseconds));
}

/** An error that says the input is wrong will say so again. */
function worthRepeating(thrown: unknown): boolean {
  return !(thrown instanceof PlatformError) || thrown.remedy === 'retry' || thrown.remedy === 'wait';
}

function changed(run: Run, cause: unknown): ChangedWorkflowError {
  return new ChangedWorkflowError(
    `The code of workflow ${run.workflow} version ${run.version} no longer matches the steps this run has finished.`,
    {
      cause,
      details: { workflow: run.workflow, version: run.version },
      help: 'Start a new run; give a workflow a new version whenever its steps change.',
    },
  );
}

/** Text that the database can hold: no NUL, bounded. */
export function cleanText(text: string): string {
  return text.replaceAll('\0', '').toWellFormed().slice(0, TEXT_LIMIT);
}

function boundedData(data: Json | undefined): Json | null {
  if (data === undefined) return null;
  const text = JSON.stringify(data);
  return text.length > EVENT_DATA_LIMIT_BYTES ? { omitted: `larger than ${EVENT_DATA_LIMIT_BYTES} bytes` } : data;
}

async function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, milliseconds);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}

/** Why an execution's signal aborts. */
export function cancelledReason(run: string): CancelledError {
  return new CancelledError(`Run ${run} was cancelled.`, { details: { run } });
}
