import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Call, ExplainOptions, Explanation, Row, VersionRef } from '@slipway/kernel';
import { NotExplainableError } from '../errors.ts';

type ExplainRow = (row: Row, options: ExplainOptions) => Explanation | Promise<Explanation>;

/**
 * The `explain` of a servable that explains itself: what it needs is read when first asked for, and each row has a turn
 * of the event loop of its own.
 * @param read reads the stored explainer; undefined for a version without one.
 * @throws {NotExplainableError} when there is none.
 */
export function lazyExplainer(
  { id }: Pick<VersionRef, 'id'>,
  read: (() => Promise<Uint8Array>) | undefined,
  open: (bytes: Uint8Array) => ExplainRow,
): (calls: readonly Call<Row>[], options: ExplainOptions) => Promise<Explanation[]> {
  let opened: Promise<ExplainRow> | undefined;
  return async (calls, options) => {
    if (!read) {
      throw new NotExplainableError(`The version ${id} has no explainer beside it.`, {
        help: 'Launch it again: explainers are made with the models that Slipway trains.',
      });
    }
    opened ??= read().then(open);
    const explain = await opened.catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    const explained: Explanation[] = [];
    for (const { input } of calls) {
      explained.push(await explain(input, options));
      await nextTurn();
    }
    return explained;
  };
}

/** Says what was asked for and cannot be given by what is explained. @param what such as "A forecast". */
export function unanswerable(what: string, { counterfactuals, neighbours }: ExplainOptions): string[] {
  const asked = [...(counterfactuals > 0 ? ['counterfactuals'] : []), ...(neighbours > 0 ? ['training examples'] : [])];
  return asked.length === 0 ? [] : [`${what} has no ${asked.join(' and no ')} to show.`];
}
