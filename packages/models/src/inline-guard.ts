/** A run on the event loop's thread that takes longer than this makes the next ones smaller. */
export const INLINE_RUN_LIMIT_MS = 8;
/** Rows that cost more than this each, in most runs of late, move the model to a worker: twice what inline models may cost at load. */
export const INLINE_LEAVE_MS = 2;
/** Runs of late that count. */
export const GUARD_WINDOW_RUNS = 32;

/** What a run says about the ones to come. */
export type Advice = { readonly rowLimit: number } | 'leave' | undefined;

/**
 * Watches what inline runs really take, since real rows may cost more than those that a model was measured with (long
 * texts do): runs that are too long are made smaller, rows that are too dear ask for another thread. One slow run says little,
 * the process may have been interrupted; half of a window does.
 */
export class InlineGuard {
  readonly #rowLimitMax: number;
  readonly #budgetMs: number;
  readonly #slow = new Uint8Array(GUARD_WINDOW_RUNS);
  #slowCount = 0;
  #next = 0;

  constructor({ rowLimitMax, budgetMs }: { readonly rowLimitMax: number; readonly budgetMs: number }) {
    this.#rowLimitMax = rowLimitMax;
    this.#budgetMs = budgetMs;
  }

  /** @param rowLimit most rows that a run may have at present. */
  advise(runMs: number, rows: number, rowLimit: number): Advice {
    this.#remember(runMs / rows > INLINE_LEAVE_MS);
    if (this.#slowCount * 2 >= GUARD_WINDOW_RUNS) return 'leave';
    if (runMs > INLINE_RUN_LIMIT_MS && rows > 1) return { rowLimit: Math.max(1, Math.min(rowLimit, Math.floor(rows / 2))) };
    if (rowLimit < this.#rowLimitMax && rows >= rowLimit && runMs < this.#budgetMs / 2)
      return { rowLimit: Math.min(this.#rowLimitMax, Math.ceil(rowLimit * 1.25)) };
    return undefined;
  }

  #remember(isSlow: boolean): void {
    const value = isSlow ? 1 : 0;
    this.#slowCount += value - (this.#slow[this.#next] as number);
    this.#slow[this.#next] = value;
    this.#next = (this.#next + 1) % GUARD_WINDOW_RUNS;
  }
}
