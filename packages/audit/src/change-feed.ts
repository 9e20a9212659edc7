import type { Records } from '@slipway/records';
import { CHANGES_WAIT_MAX_MS, type AuditEvent } from './audit.ts';
import { TooManyWaitersError } from './errors.ts';
import { CHANGE_CHANNEL } from './event-store.ts';

/** Callers that may wait for changes in one process. */
export const CHANGES_WAITERS_LIMIT = 1_000;
/** A waiting caller looks again this often even unnotified, because a lost listening connection tells nobody. */
const LOOK_AGAIN_MS = 5_000;
/** The same while there is no listening connection. */
const LOOK_AGAIN_DEAF_MS = 1_000;
/** The listening connection is given back when nobody has waited for this long. */
const LINGER_MS = 500;

/** Lets callers wait for the first event after a cursor; one listening connection a process serves all of them. */
export class ChangeFeed {
  readonly #records: Records;
  readonly #waiters = new Map<string, Set<Waiter>>();
  #count = 0;
  #stopListening: Promise<() => Promise<void>> | undefined;

  constructor(records: Records) {
    this.#records = records;
  }

  /** Calls `read` until it finds something, the time is up or the caller gives up. */
  async wait(
    project: string,
    options: { readonly waitMs: number; readonly signal?: AbortSignal },
    read: () => Promise<AuditEvent[]>,
  ): Promise<AuditEvent[]> {
    const found = await read();
    let leftMs = Math.min(options.waitMs, CHANGES_WAIT_MAX_MS);
    if (found.length > 0 || leftMs <= 0) return found;
    const waiter = await this.#enter(project);
    try {
      for (;;) {
        const events = await read();
        if (events.length > 0 || leftMs <= 0 || options.signal?.aborted) return events;
        const sliceMs = Math.min(leftMs, this.#stopListening ? LOOK_AGAIN_MS : LOOK_AGAIN_DEAF_MS);
        const startedMs = performance.now();
        await waiter.sleep(sliceMs, options.signal);
        leftMs -= Math.max(1, performance.now() - startedMs);
      }
    } finally {
      this.#leave(project, waiter);
    }
  }

  async #enter(project: string): Promise<Waiter> {
    if (this.#count >= CHANGES_WAITERS_LIMIT) {
      throw new TooManyWaitersError(`More than ${CHANGES_WAITERS_LIMIT} callers wait for changes.`, { help: 'Ask again without waitMs.' });
    }
    this.#count += 1;
    const waiter = new Waiter();
    const others = this.#waiters.get(project);
    if (others) others.add(waiter);
    else this.#waiters.set(project, new Set([waiter]));
    await this.#listen().catch(() => {});
    return waiter;
  }

  #leave(project: string, waiter: Waiter): void {
    this.#count -= 1;
    const waiters = this.#waiters.get(project);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiters.delete(project);
    if (this.#count === 0) setTimeout(() => this.#rest(), LINGER_MS).unref();
  }

  async #listen(): Promise<void> {
    this.#stopListening ??= this.#records.listen(CHANGE_CHANNEL, (project) => {
      for (const waiter of this.#waiters.get(project) ?? []) waiter.wake();
    });
    try {
      await this.#stopListening;
    } catch (error) {
      this.#stopListening = undefined;
      throw error;
    }
  }

  #rest(): void {
    if (this.#count > 0 || !this.#stopListening) return;
    const stopping = this.#stopListening;
    this.#stopListening = undefined;
    stopping.then((stop) => stop()).catch(() => {});
  }
}

/** One caller. A wake-up that comes while it is reading counts for its next sleep, so none is missed. */
class Waiter {
  #woken = false;
  #resolve: (() => void) | undefined;

  wake(): void {
    this.#woken = true;
    this.#resolve?.();
  }

  async sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    if (!this.#woken) {
      await new Promise<void>((resolve) => {
        const finish = () => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', finish);
          resolve();
        };
        const timer = setTimeout(finish, milliseconds);
        this.#resolve = finish;
        signal?.addEventListener('abort', finish);
      });
    }
    this.#woken = false;
    this.#resolve = undefined;
  }
}
