import { randomUUID } from 'node:crypto';
import type { Records } from '@slipway/records';
import { TooManyFollowersError } from './errors.ts';
import { listEvents } from './event-store.ts';
import { EVENT_PAGE_LIMIT, FOLLOWER_LIMIT, FOLLOW_POLL_MS } from './limits.ts';
import type { Log } from './log.ts';
import { RUN_CHANNEL, parseNotice, type RunNotice } from './notices.ts';
import { readRun, sendNotice } from './run-store.ts';
import { hasEnded, type RunUpdate } from './run.ts';

/** Wakes one waiting reader; a wake that comes while nobody waits is remembered. */
class Bell {
  #rung = false;
  #ring: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#ring?.();
  }

  /** Resolves at the next ring, after `limitMs`, or when the signal aborts. */
  async wait(limitMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (!this.#rung && !signal?.aborted) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, limitMs);
        signal?.addEventListener('abort', done, { once: true });
        this.#ring = done;
      });
    }
    this.#ring = undefined;
    this.#rung = false;
  }
}

/** Hears what all processes say about runs, and lets readers follow single runs from the tables. */
export class RunFeed {
  readonly #records: Records;
  readonly #log: Log;
  readonly #onNotice: (notice: RunNotice) => void;
  readonly #bells = new Map<string, Set<Bell>>();
  readonly #token = randomUUID();
  #heard = true;
  #followers = 0;
  #listening: Promise<() => Promise<void>> | undefined;

  constructor(deps: { records: Records; log: Log; onNotice: (notice: RunNotice) => void }) {
    this.#records = deps.records;
    this.#log = deps.log;
    this.#onNotice = deps.onNotice;
  }

  async start(): Promise<void> {
    this.#listening ??= this.#records.listen(RUN_CHANNEL, (payload) => this.#hear(payload));
    await this.#listening;
  }

  async stop(): Promise<void> {
    const listening = this.#listening;
    this.#listening = undefined;
    for (const bells of this.#bells.values()) for (const bell of bells) bell.ring();
    await listening?.then((stop) => stop()).catch(() => {});
  }

  /**
   * Listens anew when the ping of the last check has not come back: a connection that breaks says nothing. Until then
   * claims, cancellations and followers are polled. @returns whether the feed hears.
   */
  async check(): Promise<boolean> {
    const heard = this.#heard;
    if (!heard) {
      this.#log({ level: 'warn', message: 'Notifications of runs no longer arrive; listening anew.' });
      await this.stop();
      await this.start();
    }
    this.#heard = false;
    await sendNotice(this.#records.db, { kind: 'ping', run: this.#token });
    return heard;
  }

  #hear(payload: string): void {
    const notice = parseNotice(payload);
    if (!notice) return;
    if (notice.kind === 'ping') {
      if (notice.run === this.#token) this.#heard = true;
      return;
    }
    this.#onNotice(notice);
    for (const bell of this.#bells.get(notice.run) ?? []) bell.ring();
  }

  /**
   * Everything about a run after an event, then live until the run ends, the signal aborts or the reader stops. Reads
   * from the tables at the reader's pace, so a slow reader costs no memory. @throws {NotFoundError} {@link TooManyFollowersError}
   */
  async *follow(
    project: string,
    id: string,
    options: { afterSeq?: number; signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<RunUpdate> {
    const bell = this.#open(id);
    try {
      await this.start().catch((error: unknown) => this.#log({ level: 'warn', message: 'Live run updates are polled.', error }));
      let seq = options.afterSeq ?? 0;
      let shown = '';
      while (!options.signal?.aborted) {
        // The run is read before its events, so every event from before its end is shown before the end.
        const run = await readRun(this.#records.db, project, id);
        for (let full = true; full;) {
          const events = await listEvents(this.#records.db, id, { afterSeq: seq, limit: EVENT_PAGE_LIMIT });
          for (const event of events) yield { type: 'event', event };
          seq = events.at(-1)?.seq ?? seq;
          full = events.length === EVENT_PAGE_LIMIT;
        }
        const state = `${run.status}/${run.attempt}`;
        if (state !== shown) yield { type: 'run', run };
        shown = state;
        if (hasEnded(run.status)) return;
        await bell.wait(FOLLOW_POLL_MS, options.signal);
      }
    } finally {
      this.#close(id, bell);
    }
  }

  #open(id: string): Bell {
    if (this.#followers >= FOLLOWER_LIMIT) {
      throw new TooManyFollowersError(`More than ${FOLLOWER_LIMIT} readers follow runs in this process.`, {
        details: { limit: FOLLOWER_LIMIT },
      });
    }
    this.#followers += 1;
    const bell = new Bell();
    const bells = this.#bells.get(id) ?? new Set();
    this.#bells.set(id, bells.add(bell));
    return bell;
  }

  #close(id: string, bell: Bell): void {
    this.#followers -= 1;
    const bells = this.#bells.get(id);
    bells?.delete(bell);
    if (bells?.size === 0) this.#bells.delete(id);
  }
}
