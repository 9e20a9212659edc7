import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Adwin } from './adwin.ts';

/** Made by conformance/reference/adwin.py with river's detector; conformance makes them again. */
const CASES = z
  .array(z.object({ name: z.string(), stream: z.string(), changes: z.array(z.int()), width: z.int(), mean: z.number() }))
  .parse(JSON.parse(readFileSync(new URL('../testing/vectors/adwin.json', import.meta.url), 'utf8')));
const LOOK_EVERY = 32;

/** Where a detector that begins anew after each change, as river's does, finds changes. */
function changesOf(stream: string, make = () => new Adwin(0.002)): { changes: number[]; last: Adwin } {
  const changes: number[] = [];
  let detector = make();
  [...stream].forEach((bit, row) => {
    if (!detector.add(Number(bit))) return;
    changes.push(row);
    detector = make();
  });
  return { changes, last: detector };
}

/** River leaves four values of each side out of its bound, so it may see a change one look later, and never much earlier. */
function isSame(ours: readonly number[], theirs: readonly number[], slack: number): boolean {
  return ours.length === theirs.length && ours.every((row, at) => Math.abs(row - (theirs[at] as number)) <= slack);
}

describe('MO43 changes are found where the reference implementation finds them', () => {
  test.each(CASES.map((each) => [each.name, each] as const))('%s', (_name, { stream, changes, width, mean }) => {
    const found = changesOf(stream);
    expect(isSame(found.changes, changes, LOOK_EVERY), `${found.changes} and ${changes}`).toBe(true);
    // One window over all of a stream without a change, and the same one.
    expect(changes.length > 0 || (found.last.width === width && Math.abs(found.last.mean - mean) < 1e-12)).toBe(true);
  });

  test('half of them in the very same look', () => {
    const changed = CASES.filter((each) => each.changes.length > 0);
    const exact = changed.filter((each) => isSame(changesOf(each.stream).changes, each.changes, 0));
    expect(exact.length).toBeGreaterThanOrEqual(changed.length / 2);
  });

  test('a detector of another confidence finds others (negative control)', () => {
    const differing = CASES.filter((each) => !isSame(changesOf(each.stream, () => new Adwin(1e-12)).changes, each.changes, LOOK_EVERY));
    expect(differing.length).toBeGreaterThan(CASES.length / 4);
  });
});
