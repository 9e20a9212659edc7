/**
 * Weights under which group and label are independent: expected by observed share of each pair. Rows of no group weigh 1.
 * Source: Kamiran & Calders 2012.
 */
export function reweighingWeights(codes: Int32Array, groupCount: number, labels: ArrayLike<number>, classCount: number): Float64Array {
  const pairs = new Float64Array(groupCount * classCount);
  const groups = new Float64Array(groupCount);
  const classes = new Float64Array(classCount);
  let total = 0;
  for (let row = 0; row < codes.length; row += 1) {
    const group = codes[row] as number;
    const label = labels[row] as number;
    if (group < 0) continue;
    total += 1;
    groups[group] = (groups[group] as number) + 1;
    classes[label] = (classes[label] as number) + 1;
    pairs[group * classCount + label] = (pairs[group * classCount + label] as number) + 1;
  }
  return Float64Array.from(codes, (group, row) => {
    if (group < 0) return 1;
    const label = labels[row] as number;
    return ((groups[group] as number) * (classes[label] as number)) / (total * (pairs[group * classCount + label] as number));
  });
}
