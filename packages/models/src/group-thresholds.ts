import { z } from 'zod';

/** Groups of one model that have a threshold of their own. */
export const GROUP_THRESHOLD_LIMIT = 100;

/** A column has a value, lies in a range (from inclusive, to exclusive), or is missing: then all three are null. */
const Condition = z.strictObject({
  column: z.string(),
  value: z.string().nullable(),
  from: z.number().nullable(),
  to: z.number().nullable(),
});

/** Rows that meet every condition are of the positive class from this probability on. */
export const GroupThreshold = z.strictObject({ label: z.string(), conditions: z.array(Condition).min(1).max(8), threshold: z.number() });
export type GroupThreshold = z.infer<typeof GroupThreshold>;

/**
 * The threshold of the group that a row belongs to; undefined when it is of none, or does not say. `read` gives the
 * row's value of a column as the caller sent it, `undefined` when the column was not sent.
 */
export function thresholdOf(groups: readonly GroupThreshold[], read: (column: string) => unknown): number | undefined {
  return groups.find((group) => group.conditions.every((condition) => meets(condition, read(condition.column))))?.threshold;
}

function meets({ value, from, to }: z.infer<typeof Condition>, got: unknown): boolean {
  // A column that was not sent says nothing about the group, not even that its value is missing.
  if (got === undefined) return false;
  const isMissing = got === null || got === '';
  if (value !== null) return !isMissing && (typeof got === 'string' ? got : JSON.stringify(got)) === value;
  if (from === null && to === null) return isMissing;
  if (isMissing) return false;
  const number = typeof got === 'string' && Number.isNaN(Number(got)) ? Date.parse(got) : Number(got);
  return (from === null || number >= from) && (to === null || number < to);
}
