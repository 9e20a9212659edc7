/** Positions of rows on the two sides of a split. */
export interface Sides {
  readonly train: Int32Array;
  readonly test: Int32Array;
}

export interface TogetherSides extends Sides {
  /** Rows with a copy whose copies lay on both sides. */
  readonly moved: number;
}

/**
 * Moves rows so that copies of one row lie on one side: a test row that was trained on rewards remembering. Whole clusters
 * go to the side that lacks rows, so the sizes of the sides stay as asked.
 * @param copies for each row the first row it is a copy of, -1 = none.
 */
export function keepCopiesTogether({ train, test }: Sides, copies: Int32Array): TogetherSides {
  const inTest = new Uint8Array(copies.length);
  for (const row of test) inTest[row] = 1;
  const clusters = new Map<number, number[]>();
  for (const row of [...train, ...test]) {
    const first = copies[row] as number;
    if (first < 0) continue;
    const members = clusters.get(first);
    if (members) members.push(row);
    else clusters.set(first, [row]);
  }
  const divided = [...clusters]
    .filter(([, members]) => new Set(members.map((row) => inTest[row])).size > 1)
    .toSorted(([a], [b]) => a - b)
    .map(([, members]) => members);
  let lacking = divided.flat().reduce((sum, row) => sum + (inTest[row] as number), 0);
  for (const members of divided.toSorted((a, b) => b.length - a.length)) {
    const goes = members.length <= lacking ? 1 : 0;
    lacking -= goes * members.length;
    for (const row of members) inTest[row] = goes;
  }
  const all = [...train, ...test].toSorted((a, b) => a - b);
  return {
    train: Int32Array.from(all.filter((row) => inTest[row] === 0)),
    test: Int32Array.from(all.filter((row) => inTest[row] === 1)),
    moved: divided.flat().length,
  };
}
