/** Monotonic time and timers, so that a test can drive both. */
export interface Timers {
  nowMs(): number;
  /** Calls back once, later. @returns what takes it back. */
  after(delayMs: number, callback: () => void): () => void;
}

/** Those of the process; they do not keep it alive. */
export const systemTimers: Timers = {
  nowMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs).unref();
    return () => clearTimeout(timer);
  },
};
