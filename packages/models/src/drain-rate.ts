/** Weight of the newest run in the averages. */
const NEWEST = 0.2;

/** What runs cost lately: averages of their time and of their rows, so that large runs count as much as they answer. */
export class DrainRate {
  #runMs: number;
  #runRows: number;

  /** @param rowMs what a row cost when the model was measured, in milliseconds. */
  constructor(rowMs: number, runRows: number) {
    this.#runMs = rowMs * runRows;
    this.#runRows = runRows;
  }

  add(runMs: number, rows: number): void {
    this.#runMs += NEWEST * (runMs - this.#runMs);
    this.#runRows += NEWEST * (rows - this.#runRows);
  }

  /** Milliseconds of one row within the runs of late. */
  get rowMs(): number {
    return this.#runMs / this.#runRows;
  }

  /** Milliseconds of one run. */
  get runMs(): number {
    return this.#runMs;
  }
}
