import type { Invocation } from '@slipway/kernel';
import type { Objective, ObjectiveState } from '../contract.ts';

/** Codes of errors that a cause names. */
const CODES_NAMED_LIMIT = 3;
/** Calls come so many times more often than over the longest window before their number is named as a cause. */
const CROWD_RATIO = 2;

/**
 * Why an objective's budget burns: the errors that failing calls ended with, whether calls take longer or are more, or what one costs.
 * @param failed the latest failed calls that are on record; looked at for errors only.
 */
export function causeOfObjective(
  objective: Objective,
  windows: ObjectiveState['windows'],
  failed: readonly Pick<Invocation, 'error'>[],
): string | null {
  if (objective.kind === 'errors') return causeOfFailures(failed);
  const [shortest, longest] = [windows[0], windows.at(-1)];
  if (!shortest || !longest || shortest.calls === 0) return null;
  if (objective.kind === 'cost') {
    const each = (shortest.bad / shortest.calls) * objective.microsPerCall;
    return `a call costs ${Number(each.toPrecision(3))} millionths now, ${objective.microsPerCall} are planned`;
  }
  if (longest.calls - shortest.calls < shortest.calls)
    return 'unknown: there are too few earlier calls to tell whether calls became more or slower';
  const crowd = shortest.calls / shortest.windowMs / (longest.calls / longest.windowMs);
  return crowd >= CROWD_RATIO
    ? `calls come ${Number(crowd.toPrecision(2))} times as often as over the longer window: they may be waiting for each other`
    : 'no more calls than usual, so each of them takes longer: the model or the machine (slipway doctor)';
}

function causeOfFailures(failed: readonly Pick<Invocation, 'error'>[]): string {
  if (failed.length === 0) return 'unknown: none of the failed calls is on record';
  const codes = [...Map.groupBy(failed, (each) => each.error ?? 'without a code')]
    .map(([code, own]) => ({ code, count: own.length }))
    .toSorted((a, b) => b.count - a.count || (a.code < b.code ? -1 : 1));
  const named = codes.slice(0, CODES_NAMED_LIMIT).map(({ code, count }) => `${code} (${count})`);
  const more = codes.length > named.length ? ` and ${codes.length - named.length} other codes` : '';
  return `of the latest ${failed.length} failed calls: ${named.join(', ')}${more}`;
}
