/**
 * Quantile of values by linear interpolation between the middles of their weights (Hyndman & Fan 1996, type 5, when all
 * weights are equal). Sorts `values` in place; `weights` follow them.
 * @param level in 0..1.  @returns NaN without values.
 */
export function weightedQuantile(values: Float64Array, weights: Float64Array | undefined, level: number): number {
  if (values.length === 0) return Number.NaN;
  if (!weights) return quantileOfSorted(values.sort(), level);
  const order = Int32Array.from(values, (_, index) => index).sort(
    (left, right) => (values[left] as number) - (values[right] as number) || left - right,
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const wanted = level * total;
  let before = 0;
  let lowMiddle = Number.NaN;
  let lowValue = Number.NaN;
  for (const index of order) {
    const weight = weights[index] as number;
    const middle = before + weight / 2;
    const value = values[index] as number;
    if (middle >= wanted)
      return Number.isNaN(lowMiddle) ? value : lowValue + ((value - lowValue) * (wanted - lowMiddle)) / (middle - lowMiddle);
    before += weight;
    lowMiddle = middle;
    lowValue = value;
  }
  return lowValue;
}

function quantileOfSorted(sorted: Float64Array, level: number): number {
  const position = Math.min(sorted.length - 1, Math.max(0, level * sorted.length - 0.5));
  const below = Math.floor(position);
  const low = sorted[below] as number;
  const high = sorted[Math.min(sorted.length - 1, below + 1)] as number;
  return low + (high - low) * (position - below);
}
