import { workerData } from 'node:worker_threads';
import { helpUntilDismissed, type HelperSetup } from './take-tasks.ts';
import { attachKernel } from './kernel.ts';

/** A helper of the training thread: it shares that thread's memory and takes tasks from it. */

// The crew starts this thread with exactly this.
const setup = workerData as HelperSetup;
const { memory, layout, rowCount, groups, blockLeft, learning } = setup;
const kernel = attachKernel(memory);
helpUntilDismissed(setup, (groupCount) => ({
  kernel,
  buffer: memory.buffer,
  layout,
  rowCount,
  groups: groups.subarray(0, groupCount),
  blockLeft,
  learning,
}));
