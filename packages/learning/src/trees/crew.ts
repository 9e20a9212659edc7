import { Worker } from 'node:worker_threads';
import { workerUrl } from '@slipway/kernel';
import {
  CLOSED,
  CONTROL_INTS,
  DONE,
  FAILED,
  type HelperSetup,
  JOB,
  LAST_JOB,
  SPIN_LIMIT,
  takeTasks,
  TASK_BITS,
  TICKET,
} from './take-tasks.ts';
import type { TaskContext } from './tree-tasks.ts';

/** A helper that took a task and does not come back within this time is gone. */
const TASK_MS_MAX = 60_000;

/** Share of a job's time that is spent waiting for helpers above which they are in the way: their cores are busy elsewhere. */
const WAIT_RATIO_MAX = 0.4;
/** How quickly the average follows, about one tree of 31 leaves. */
const WAIT_SMOOTHING = 0.02;
/** Jobs done alone before the helpers are tried again. */
const JOBS_ALONE = 500;

/**
 * Threads that do the tasks of one training together with the thread that trains. Nobody waits for a helper to start: the
 * training thread takes tasks too, and all of them when it is alone.
 */
export class Crew {
  readonly #control: Int32Array;
  readonly #job: Int32Array;
  #number = 0;
  #waitRatio = 0;
  #jobsAlone = 0;

  constructor(helperCount: number, setup: Omit<HelperSetup, 'control'>) {
    this.#control = new Int32Array(new SharedArrayBuffer(CONTROL_INTS * 4));
    this.#job = this.#control.subarray(JOB);
    Atomics.store(this.#control, TICKET, CLOSED);
    const workerData: HelperSetup = { ...setup, control: this.#control };
    for (let index = 0; index < helperCount; index += 1) {
      const helper = new Worker(workerUrl('tree-worker', import.meta.url), { workerData });
      helper.unref();
      helper.on('error', () => Atomics.store(this.#control, FAILED, 1));
    }
  }

  /** Whether helpers would help now; asked once before each job. On a busy machine they are left alone for a while. */
  isWilling(): boolean {
    if (this.#jobsAlone === 0) return true;
    this.#jobsAlone -= 1;
    if (this.#jobsAlone === 0) this.#waitRatio = WAIT_RATIO_MAX / 2;
    return false;
  }

  /** Does a job: `ints` are its kind, task count and arguments. Returns when all tasks are done. */
  run(context: TaskContext, ints: readonly number[]): void {
    const control = this.#control;
    this.#number = (this.#number + 1) % LAST_JOB;
    const taskCount = ints[1] as number;
    const startedMs = performance.now();
    // Closed first: a helper that is still looking at the last job must not take a task of this one with its arguments.
    Atomics.store(control, TICKET, (this.#number << TASK_BITS) | CLOSED);
    Atomics.store(control, DONE, 0);
    ints.forEach((value, at) => Atomics.store(this.#job, at, value));
    Atomics.store(control, TICKET, this.#number << TASK_BITS);
    Atomics.notify(control, TICKET);
    takeTasks(control, this.#job, context);
    const workedMs = performance.now();
    this.#await(taskCount);
    const endedMs = performance.now();
    const ratio = (endedMs - workedMs) / Math.max(1e-6, endedMs - startedMs);
    this.#waitRatio += WAIT_SMOOTHING * (ratio - this.#waitRatio);
    if (this.#waitRatio > WAIT_RATIO_MAX) this.#jobsAlone = JOBS_ALONE;
  }

  /** Ends the helpers; the crew cannot be used afterwards. */
  dismiss(): void {
    Atomics.store(this.#control, TICKET, (LAST_JOB << TASK_BITS) | CLOSED);
    Atomics.notify(this.#control, TICKET);
  }

  #await(taskCount: number): void {
    const startedMs = performance.now();
    for (let spin = 0; ; spin += 1) {
      const done = Atomics.load(this.#control, DONE);
      if (done >= taskCount) break;
      if (spin < SPIN_LIMIT) continue;
      Atomics.wait(this.#control, DONE, done, 100);
      if (performance.now() - startedMs > TASK_MS_MAX)
        throw new Error('A helper of the training thread took a task and did not finish it.');
    }
    if (Atomics.load(this.#control, FAILED) !== 0) throw new Error('A helper of the training thread failed.');
  }
}
