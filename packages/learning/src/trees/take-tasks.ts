import type { WasmMemory } from './kernel.ts';
import { JOB_INTS, type LearningArrays, type Layout, runTask, type TaskContext } from './tree-tasks.ts';

// What a helper runs stays free of imports from other packages: loading those takes longer than growing a small forest.

/** Positions in the control words. */
export const TICKET = 0;
export const DONE = 1;
export const FAILED = 2;
export const JOB = 3;
export const CONTROL_INTS = JOB + JOB_INTS;

/** A ticket is (job number << TASK_BITS) | next task; a job has fewer tasks than CLOSED. */
export const TASK_BITS = 10;
export const CLOSED = 2 ** TASK_BITS - 1;
export const TASK_LIMIT = CLOSED - 1;
/** Job number that tells helpers to end. */
export const LAST_JOB = 2 ** (32 - TASK_BITS) - 1;

/** Looks at a word this often before it sleeps: about 50 microseconds, the time between two jobs of one tree. */
export const SPIN_LIMIT = 20_000;
/** What a helper is started with; everything is shared, nothing is copied but plain numbers. */
export interface HelperSetup {
  readonly control: Int32Array;
  readonly memory: WasmMemory;
  readonly layout: Layout;
  readonly rowCount: number;
  readonly groups: Int32Array;
  readonly groupCount: Int32Array;
  readonly blockLeft: Int32Array;
  readonly learning: LearningArrays | undefined;
}

/** Takes tasks of the current job until none is left. */
export function takeTasks(control: Int32Array, job: Int32Array, context: TaskContext): void {
  for (;;) {
    const ticket = Atomics.load(control, TICKET);
    const task = ticket & CLOSED;
    const ints = job.slice();
    if (task >= (ints[1] as number) || task === CLOSED) return;
    // Only if nothing has changed since the ticket was read are the arguments those of this task.
    if (Atomics.compareExchange(control, TICKET, ticket, ticket + 1) !== ticket) continue;
    try {
      runTask(context, ints, task);
    } catch (error) {
      Atomics.store(control, FAILED, 1);
      throw error;
    } finally {
      Atomics.add(control, DONE, 1);
      Atomics.notify(control, DONE);
    }
  }
}

/** What a helper thread does until it is dismissed. */
export function helpUntilDismissed(setup: HelperSetup, contextOf: (groupCount: number) => TaskContext): void {
  const { control, groupCount } = setup;
  const job = control.subarray(JOB);
  for (;;) {
    const ticket = Atomics.load(control, TICKET);
    if (ticket >>> TASK_BITS === LAST_JOB) return;
    takeTasks(control, job, contextOf(Atomics.load(groupCount, 0)));
    let spin = 0;
    let seen = Atomics.load(control, TICKET);
    const isIdle = (each: number) => (each & CLOSED) === CLOSED || (each & CLOSED) >= Atomics.load(job, 1);
    while (spin < SPIN_LIMIT && isIdle(seen)) {
      spin += 1;
      seen = Atomics.load(control, TICKET);
    }
    if (isIdle(seen) && seen >>> TASK_BITS !== LAST_JOB) Atomics.wait(control, TICKET, seen, 1_000);
  }
}
