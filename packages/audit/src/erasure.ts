import { z } from 'zod';

/** Type of the event that says which payloads were erased. */
export const ERASED_TYPE = 'audit.payload.erased';

/** Payloads that one such event lists, so that its own payload stays within its limit. */
export const ERASURE_EVENT_LIMIT = 5_000;

/** Its payload: inclusive ranges of event numbers. It names no person, because it stays. */
export const ErasedPayloads = z.object({ events: z.array(z.tuple([z.int(), z.int()])), count: z.int() });
export type ErasedPayloads = z.infer<typeof ErasedPayloads>;

/** Ascending numbers as inclusive ranges. */
export function toRanges(seqs: readonly number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const seq of seqs) {
    const last = ranges.at(-1);
    if (last && last[1] === seq - 1) last[1] = seq;
    else ranges.push([seq, seq]);
  }
  return ranges;
}

export function rangesInclude(ranges: readonly (readonly [number, number])[], seq: number): boolean {
  return ranges.some(([from, to]) => from <= seq && seq <= to);
}
