/** Points and weights of a quadrature over 0..1. */
export interface Quadrature {
  readonly points: Float64Array;
  readonly weights: Float64Array;
}

/** Points that one quadrature may have; a tree path would need twice as many different features to ask for more. */
export const QUADRATURE_POINT_LIMIT = 512;
const NEWTON_STEPS = 100;

/**
 * Gauss-Legendre quadrature on 0..1: exact for polynomials of degree 2 × count - 1.
 * Roots by Newton from Chebyshev's angles. Source: Press et al., Numerical Recipes, gauleg.
 */
export function gaussLegendre(count: number): Quadrature {
  if (!Number.isInteger(count) || count < 1 || count > QUADRATURE_POINT_LIMIT)
    throw new RangeError(`a quadrature has 1 to ${QUADRATURE_POINT_LIMIT} points, not ${count}`);
  const points = new Float64Array(count);
  const weights = new Float64Array(count);
  for (let index = 0; index < count; index += 1) {
    let root = Math.cos((Math.PI * (index + 0.75)) / (count + 0.5));
    let slope = 1;
    for (let step = 0; step < NEWTON_STEPS; step += 1) {
      const { value, derivative } = legendre(count, root);
      slope = derivative;
      const change = value / derivative;
      root -= change;
      if (Math.abs(change) < 1e-16) break;
    }
    slope = legendre(count, root).derivative;
    points[index] = (1 - root) / 2;
    weights[index] = 1 / ((1 - root * root) * slope * slope);
  }
  return { points, weights };
}

function legendre(degree: number, at: number): { value: number; derivative: number } {
  let before = 1;
  let value = at;
  for (let order = 2; order <= degree; order += 1) {
    const next = ((2 * order - 1) * at * value - (order - 1) * before) / order;
    before = value;
    value = next;
  }
  return { value, derivative: (degree * (at * value - before)) / (at * at - 1) };
}
