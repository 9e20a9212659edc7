import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { keepCopiesTogether } from './keep-copies-together.ts';

test('no copies lie on both sides afterwards, each row stays on one side, and the test hardly changes its size', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ cluster: fc.integer({ min: 0, max: 8 }), test: fc.boolean() }), { minLength: 4, maxLength: 60 }),
      (rows) => {
        const first = new Map<number, number>();
        rows.forEach(({ cluster }, row) => first.set(cluster, first.get(cluster) ?? row));
        // Cluster 0 stands for rows without a copy.
        const copies = Int32Array.from(rows, ({ cluster }) => (cluster === 0 ? -1 : (first.get(cluster) as number)));
        const of = (side: boolean) => Int32Array.from(rows.keys()).filter((row) => rows[row]?.test === side);
        const kept = keepCopiesTogether({ train: of(false), test: of(true) }, copies);
        const test = new Set(Array.from(kept.test, (row) => copies[row]).filter((cluster) => cluster !== -1));
        expect([...kept.train].some((row) => test.has(copies[row] as number))).toBe(false);
        expect([...kept.train, ...kept.test].toSorted((a, b) => a - b)).toEqual([...rows.keys()]);
        expect(kept.test.length).toBeLessThanOrEqual(of(true).length);
      },
    ),
  );
});

test('a split without copies is left as it is', () => {
  const sides = { train: Int32Array.of(0, 2), test: Int32Array.of(1, 3) };
  expect(keepCopiesTogether(sides, new Int32Array(4).fill(-1))).toEqual({ ...sides, moved: 0 });
});
