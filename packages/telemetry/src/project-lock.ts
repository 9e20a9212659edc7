const ignore = (): void => {};

/**
 * Readers together or one writer alone, in the order they came. Readers hold it while they read segment files, the
 * writer while a segment changes from lines to Parquet, so that each line is seen exactly once. Not re-entrant.
 */
export class ReadWriteLock {
  readonly #readers = new Set<Promise<void>>();
  #lastWriter: Promise<void> = Promise.resolve();

  shared<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#lastWriter.then(work);
    const ended = run.then(ignore, ignore);
    this.#readers.add(ended);
    void ended.then(() => this.#readers.delete(ended));
    return run;
  }

  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const run = Promise.all([this.#lastWriter, ...this.#readers]).then(work);
    this.#lastWriter = run.then(ignore, ignore);
    return run;
  }
}

/** One after the other, in the order they came. Not re-entrant. */
export class Mutex {
  #last: Promise<void> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(work);
    this.#last = run.then(ignore, ignore);
    return run;
  }
}
