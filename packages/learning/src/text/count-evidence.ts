import { chiSquareTail } from '@slipway/statistics';
import { type Errors, errorsOf } from '../linear/errors.ts';
import { partialGain } from '../linear/partial-gain.ts';
import type { Supervision } from '../supervision.ts';
import { objectiveFor } from '../trees/objective.ts';

/** Chance that a count is learnt from although it says nothing. */
const FALSE_RATIO = 0.001;

/**
 * Whether a count says more about the target than the scores of the words do, by the score test on scores that training
 * rows have from heads that did not see them. Capitals above all change with the keyboard: what does not help must not
 * be able to harm.
 * @param values the feature, one a row.  @param scores [rows × outputs].
 */
export function saysMore(values: Float64Array, scores: Float64Array, supervision: Supervision): boolean {
  const { task, outputCount, target, weights } = supervision;
  const targets = { target, weights };
  const objective = task === 'ranking' ? 'squared' : objectiveFor(task, undefined);
  const margins = Array.from({ length: outputCount }, (_, output) =>
    values.map((_value, row) => scores[row * outputCount + output] as number),
  );
  const errors = errorsOf(objective, margins, targets);
  const isNumber = objective === 'squared';
  const gain = errors.reduce((sum, each, output) => sum + gainOf(values, margins[output] as Float64Array, each, isNumber), 0);
  return chiSquareTail(gain, outputCount) < FALSE_RATIO;
}

/** Gain beyond an intercept and a rescaling of the margin; in units of the errors' variance where they are of numbers. */
function gainOf(values: Float64Array, margins: Float64Array, { slopes, curvatures }: Errors, isNumber: boolean): number {
  let [one, m, mm, x, xx, mx, s, sm, sx, ss] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  for (let row = 0; row < values.length; row += 1) {
    const [h, g, value, margin] = [curvatures[row] as number, slopes[row] as number, values[row] as number, margins[row] as number];
    one += h;
    m += h * margin;
    mm += h * margin * margin;
    x += h * value;
    xx += h * value * value;
    mx += h * margin * value;
    s += g;
    sm += g * margin;
    sx += g * value;
    ss += h > 0 ? (g * g) / h : 0;
  }
  const gram = Float64Array.of(one, m, m, mm);
  const { gain } = partialGain({ gram, cross: Float64Array.of(x, mx), square: xx, slopes: Float64Array.of(s, sm), slope: sx });
  return isNumber && ss > 0 ? (gain * values.length) / ss : gain;
}
