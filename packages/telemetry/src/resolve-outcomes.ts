import type { Outcome } from '@slipway/kernel';

/** The order that decides between outcomes of one invocation and name, as SQL; the first stands. */
export const RESOLUTION_ORDER_SQL = '"eventTimeMs" desc, "sourceRank" desc, "observedTimeMs" desc, "idempotencyKey" desc';
/** Of outcomes with one key the first that came is kept. */
export const DUPLICATE_ORDER_SQL = '"observedTimeMs", id';

/** One outcome a key: a repeated delivery counts once. */
export function withoutDuplicates(outcomes: readonly Outcome[]): Outcome[] {
  const kept = new Map<string, Outcome>();
  for (const outcome of outcomes) {
    const key = outcomeKey(outcome);
    const before = kept.get(key);
    if (!before || compareArrival(outcome, before) < 0) kept.set(key, outcome);
  }
  return [...kept.values()];
}

/** What makes two deliveries the same outcome. */
export function outcomeKey(outcome: Pick<Outcome, 'invocation' | 'name' | 'idempotencyKey'>): string {
  return JSON.stringify([outcome.invocation, outcome.name, outcome.idempotencyKey]);
}

/**
 * The outcome that stands for each invocation and name: the later event time wins, then the higher source rank, then the
 * later arrival, then the greater key, so that any order of delivery gives the same answer.
 */
export function resolveOutcomes(outcomes: readonly Outcome[]): Outcome[] {
  const standing = new Map<string, Outcome>();
  for (const outcome of withoutDuplicates(outcomes)) {
    const key = JSON.stringify([outcome.invocation, outcome.name]);
    const before = standing.get(key);
    if (!before || compareStanding(outcome, before) > 0) standing.set(key, outcome);
  }
  return [...standing.values()];
}

function compareArrival(left: Outcome, right: Outcome): number {
  return left.observedTimeMs - right.observedTimeMs || compareText(left.id, right.id);
}

function compareStanding(left: Outcome, right: Outcome): number {
  return (
    left.eventTimeMs - right.eventTimeMs ||
    left.sourceRank - right.sourceRank ||
    left.observedTimeMs - right.observedTimeMs ||
    compareText(left.idempotencyKey, right.idempotencyKey)
  );
}

function compareText(left: string, right: string): number {
  // DuckDB compares bytes; keys differ from that only beyond the basic plane, where both orders are arbitrary anyway.
  return left < right ? -1 : left > right ? 1 : 0;
}
