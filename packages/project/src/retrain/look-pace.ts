/** Looks at one release that found nothing to do take at most this share of the time. */
const LOOK_TIME_RATIO = 0.05;
/** Releases whose rest is remembered; beyond it all are forgotten, and looked at when their turn comes. */
const RESTS_LIMIT = 2_000;

/**
 * Spaces dear looks at releases, by a monotonic clock. A look that started a retraining is not followed by a rest: the retraining is
 * the pause, and what comes in meanwhile is to be seen when it ends.
 */
export class LookPace {
  readonly #restsUntilMs = new Map<string, number>();

  isResting(release: string, nowMs: number): boolean {
    return (this.#restsUntilMs.get(release) ?? Number.NEGATIVE_INFINITY) > nowMs;
  }

  looked(release: string, { startedMs, endedMs, started }: { startedMs: number; endedMs: number; started: boolean }): void {
    if (started) return void this.#restsUntilMs.delete(release);
    if (this.#restsUntilMs.size >= RESTS_LIMIT) this.#restsUntilMs.clear();
    this.#restsUntilMs.set(release, startedMs + (endedMs - startedMs) / LOOK_TIME_RATIO);
  }
}
