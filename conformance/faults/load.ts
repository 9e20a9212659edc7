import type { Client } from '@slipway/client';
import { ConnectionError } from '@slipway/client';
import type { Random } from '@slipway/statistics';
import { type AnsweredRow, hashInput } from './load-checks.ts';
import { RELEASE, row } from './quickstart.ts';

const ROWS_MAX = 4;
const OUTCOME_SHARE = 0.3;

/** Callers that predict and report outcomes until the server is gone. `answered` holds only what reached them. */
export class Load {
  readonly answered: AnsweredRow[] = [];
  readonly done: Promise<unknown>;
  /** Resolves with the first answer: until then the server still loads the model. */
  readonly begun: Promise<void>;
  readonly #client: Client;
  readonly #begun = Promise.withResolvers<void>();

  constructor(client: Client, random: Random, callers: number) {
    this.#client = client;
    this.begun = this.#begun.promise;
    this.done = Promise.all(Array.from({ length: callers }, (_, index) => this.#call(random.fork(`caller ${index}`))));
  }

  async #call(random: Random): Promise<void> {
    try {
      for (;;) {
        const rows = Array.from({ length: 1 + random.int(ROWS_MAX) }, () => ({ ...row, mean_radius: 6 + random.next() * 20 }));
        const { predictions } = await this.#client.predict(RELEASE, { rows });
        const answered = predictions.map(({ invocation, prediction }, index): AnsweredRow => {
          return { id: invocation, inputHash: hashInput(rows[index]), prediction: String(prediction), outcomes: [] };
        });
        this.answered.push(...answered);
        this.#begun.resolve();
        if (random.next() < OUTCOME_SHARE) await this.#report(answered, random);
      }
    } catch (error) {
      // The server was killed under us: what was asked last was not answered. Anything else is a finding.
      if (!isGone(error)) throw error;
    }
  }

  async #report(answered: readonly AnsweredRow[], random: Random): Promise<void> {
    const outcomes = answered.map(({ id }) => ({
      invocation: id,
      value: random.next() < 0.5 ? 'malignant' : 'benign',
      idempotencyKey: `k${random.int(1e9)}`,
    }));
    const { problems } = await this.#client.outcomes.add({ outcomes });
    if (problems.length > 0) throw new Error(`an outcome was refused: ${JSON.stringify(problems)}`);
    outcomes.forEach(({ idempotencyKey }, index) => answered[index]?.outcomes.push(idempotencyKey));
  }
}

/** No connection, or one that broke in the middle of a reply. */
function isGone(error: unknown): boolean {
  return error instanceof ConnectionError || (error instanceof TypeError && /terminated|fetch failed/.test(error.message));
}
