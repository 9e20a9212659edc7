/** Rows in a leaf; below this, comparing all of them is cheaper than descending. */
const LEAF_ROWS = 16;

/** Finds the points within a distance in every coordinate, by a k-d tree. Points are rows of a dense matrix. */
export interface RadiusTree {
  /** Calls `visit` for each point whose every coordinate lies within `radius` of the query's; stops when it returns true. */
  search(query: ArrayLike<number>, radius: number, visit: (point: number) => boolean): void;
}

interface Node {
  readonly from: number;
  readonly to: number;
  readonly axis: number;
  readonly cut: number;
  readonly left: Node | null;
  readonly right: Node | null;
}

/** @param points shape [n, width], row by row, without NaN. O(n log² n) time. */
export function buildRadiusTree(points: Float64Array, width: number): RadiusTree {
  const count = width === 0 ? 0 : points.length / width;
  const order = Int32Array.from({ length: count }, (_, index) => index);
  const root = count === 0 ? null : split(0, count);

  function split(from: number, to: number): Node {
    if (to - from <= LEAF_ROWS) return { from, to, axis: -1, cut: 0, left: null, right: null };
    const axis = widestAxis(from, to);
    const part = order.subarray(from, to).toSorted((a, b) => (points[a * width + axis] as number) - (points[b * width + axis] as number));
    order.set(part, from);
    const middle = from + ((to - from) >> 1);
    const cut = points[(order[middle] as number) * width + axis] as number;
    const spread = cut !== points[(order[from] as number) * width + axis] || cut !== points[(order[to - 1] as number) * width + axis];
    if (!spread) return { from, to, axis: -1, cut: 0, left: null, right: null };
    return { from, to, axis, cut, left: split(from, middle), right: split(middle, to) };
  }

  function widestAxis(from: number, to: number): number {
    let best = 0;
    let widest = -1;
    const step = Math.max(1, Math.floor((to - from) / 64));
    for (let axis = 0; axis < width; axis += 1) {
      let low = Number.POSITIVE_INFINITY;
      let high = Number.NEGATIVE_INFINITY;
      for (let at = from; at < to; at += step) {
        const value = points[(order[at] as number) * width + axis] as number;
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
      if (high - low > widest) [widest, best] = [high - low, axis];
    }
    return best;
  }

  return {
    search(query, radius, visit) {
      let stopped = false;
      const inside = (point: number) => {
        for (let axis = 0; axis < width; axis += 1)
          if (Math.abs((points[point * width + axis] as number) - (query[axis] as number)) > radius) return false;
        return true;
      };
      const walk = (node: Node) => {
        if (stopped) return;
        if (node.left === null || node.right === null) {
          for (let at = node.from; at < node.to && !stopped; at += 1) if (inside(order[at] as number)) stopped = visit(order[at] as number);
          return;
        }
        const value = query[node.axis] as number;
        if (value - radius <= node.cut) walk(node.left);
        if (value + radius >= node.cut) walk(node.right);
      };
      if (root) walk(root);
    },
  };
}
