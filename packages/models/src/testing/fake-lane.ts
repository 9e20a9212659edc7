import type { Row } from '@slipway/kernel';
import type { Timers } from '../timers.ts';

/** Time that stands still until a test moves it; timers fire while it passes them. */
export function fakeTimers(): Timers & { advance(timeMs: number): void } {
  let nowMs = 1_000;
  let next = 0;
  const waiting = new Map<number, { readonly atMs: number; readonly callback: () => void }>();
  return {
    nowMs: () => nowMs,
    after(delayMs, callback) {
      const id = (next += 1);
      waiting.set(id, { atMs: nowMs + delayMs, callback });
      return () => waiting.delete(id);
    },
    advance(timeMs) {
      const endMs = nowMs + timeMs;
      for (;;) {
        const [first] = [...waiting].filter(([, { atMs }]) => atMs <= endMs).toSorted(([, left], [, right]) => left.atMs - right.atMs);
        if (!first) break;
        waiting.delete(first[0]);
        nowMs = Math.max(nowMs, first[1].atMs);
        first[1].callback();
      }
      nowMs = endMs;
    },
  };
}

interface OpenRun {
  readonly rows: readonly Row[];
  readonly ended: PromiseWithResolvers<Float64Array>;
}

/** A lane whose runs end when a test says so, oldest first; a row answers with its `x`. */
export class FakeLane {
  /** The `name` of each row of each run. */
  readonly runs: string[][] = [];
  /** Rows in the order in which they were computed. */
  readonly ids: { readonly name: string; readonly id: number }[] = [];
  readonly #open: OpenRun[] = [];

  get runningCount(): number {
    return this.#open.length;
  }

  readonly run = (rows: readonly Row[]): Promise<Float64Array> => {
    this.runs.push(rows.map((row) => String(row['name'])));
    this.ids.push(...rows.map((row) => ({ name: String(row['name']), id: Number(row['id']) })));
    const ended = Promise.withResolvers<Float64Array>();
    this.#open.push({ rows, ended });
    return ended.promise;
  };

  finish(): void {
    const run = this.#open.shift();
    run?.ended.resolve(Float64Array.from(run.rows, (row) => Number(row['x'] ?? 0)));
  }

  fail(): void {
    this.#open.shift()?.ended.reject(new RangeError('the lane failed'));
  }
}
