import { setTimeout as delay } from 'node:timers/promises';

/** SQLSTATE classes and codes after which the same statement may succeed: connection, resources, restart, conflict. */
const TRANSIENT = /^(?:08|53|57P0[1-5]|40001|40P01|55P03|ECONN|EPIPE|ETIMEDOUT|EAI_)/;
const BROKEN = /connection terminated|connection ended|timeout exceeded when trying to connect/i;

const PAUSE_MS = 200;
const PAUSE_MAX_MS = 10_000;

function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = (error as { code?: unknown }).code;
  return (typeof code === 'string' && TRANSIENT.test(code)) || BROKEN.test(error.message);
}

/**
 * Repeats a database operation while the database is away, as the engine does with its own: a run waits rather than
 * fails. Ends when the operation succeeds, fails for good, or `giveUp` says so.
 */
export async function untilReachable<T>(operation: () => Promise<T>, giveUp: () => boolean): Promise<T> {
  for (let pauseMs = PAUSE_MS; ; pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2)) {
    try {
      return await operation();
    } catch (error) {
      if (giveUp() || !isTransient(error)) throw error;
      await delay(pauseMs * (0.5 + Math.random()));
    }
  }
}
