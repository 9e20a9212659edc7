import { fitHead, type HeadRequest } from './head.ts';

// What a helper runs stays free of imports from other packages, whose loading takes longer than a small fit.

/** What has become of a head. */
export const TaskState = { waiting: 0, taken: 1, done: 2, failed: 3 } as const;

/** Heads to fit; states and results lie in shared memory. */
export interface HeadWork {
  readonly requests: readonly HeadRequest[];
  readonly states: Int32Array;
  readonly heads: readonly Float64Array[];
}

/** Fits heads that nobody has taken until none is left. */
export function takeHeads({ requests, states, heads }: HeadWork): void {
  requests.forEach((request, task) => {
    if (Atomics.compareExchange(states, task, TaskState.waiting, TaskState.taken) !== TaskState.waiting) return;
    let state: number = TaskState.failed;
    try {
      (heads[task] as Float64Array).set(fitHead(request));
      state = TaskState.done;
    } finally {
      Atomics.store(states, task, state);
      Atomics.notify(states, task);
    }
  });
}
