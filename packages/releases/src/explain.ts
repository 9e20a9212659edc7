import {
  type Call,
  EXPLAINED_ROWS_LIMIT,
  type ExplainOptions,
  type Explanation,
  type Invocation,
  type Principal,
  PlatformError,
  type Result,
} from '@slipway/kernel';
import { CallInvalidError, NotExplainableError, ServableFailedError, TooManyRowsError } from './errors.ts';
import type { Routing } from './routing.ts';
import type { LoadedRevision } from './servable-cache.ts';

/** Why an answer is what it is, or why that cannot be said; the answer itself stands either way. */
export type Explained = { readonly explanation: Explanation } | { readonly error: PlatformError };

/** Refuses a call that asks for what its version cannot give, before anything is answered. */
export function requireExplainable({ servable, revision }: LoadedRevision, rowCount: number): void {
  if (!servable.explain) throw new NotExplainableError(revision.kind);
  if (rowCount <= EXPLAINED_ROWS_LIMIT) return;
  throw new TooManyRowsError(`A call may have ${EXPLAINED_ROWS_LIMIT} rows explained, this one has ${rowCount}.`, {
    details: { limit: EXPLAINED_ROWS_LIMIT, rows: rowCount },
    help: 'Send several calls, or ask without "explain".',
  });
}

/** Explains the answered calls of a revision; a call that failed is not explained. */
export async function explainAnswered(
  { servable }: LoadedRevision,
  calls: readonly Call<unknown>[],
  results: readonly Result<unknown>[],
  options: ExplainOptions,
): Promise<readonly (Explained | undefined)[]> {
  const answered = calls.filter((_, row) => results[row]?.status === 'ok');
  if (answered.length === 0 || !servable.explain) return calls.map(() => undefined);
  let explained: readonly Explained[];
  try {
    explained = (await servable.explain(answered, options)).map((explanation) => ({ explanation }));
  } catch (thrown) {
    const error = thrown instanceof PlatformError ? thrown : new ServableFailedError(thrown);
    explained = answered.map(() => ({ error }));
  }
  let next = 0;
  return results.map((result) => (result.status === 'ok' ? explained[next++] : undefined));
}

/**
 * Why a recorded call was answered as it was: its input again, through the version that answered it.
 * @throws {NotExplainableError} when the call failed or its input was not kept.
 */
export async function explainInvocation(
  routing: Routing,
  { invocation, principal, options }: { readonly invocation: Invocation; readonly principal: Principal; readonly options: ExplainOptions },
): Promise<Explanation> {
  if (invocation.status !== 'ok') throw new NotExplainableError(invocation.status);
  if (invocation.input === null) throw new NotExplainableError('redacted');
  const loaded = await routing.load(invocation.project, invocation.release, invocation.revision);
  requireExplainable(loaded, 1);
  const problems = loaded.validator.check([invocation.input]);
  if (problems.length > 0) throw new CallInvalidError(problems);
  const context = {
    invocation: invocation.id,
    principal,
    deadlineMs: undefined,
    signal: undefined,
    traceparent: undefined,
    parts: loaded.parts,
  };
  const [explanation] = (await loaded.servable.explain?.([{ input: invocation.input, context }], options)) ?? [];
  if (!explanation) throw new Error('Broken invariant: a servable gives one explanation per call');
  return explanation;
}
