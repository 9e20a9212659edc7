import type { Objective, Targets } from '../trees/objective.ts';
import { softmaxSlopes } from './multinomial.ts';

/** Errors of one output: slope and curvature of each row's loss by its margin. */
export interface Errors {
  readonly slopes: Float64Array;
  readonly curvatures: Float64Array;
}

/** The errors of margins, one array an output; `squared` unless there are classes. */
export function errorsOf(objective: Objective, margins: readonly Float64Array[], { target, weights }: Targets): Errors[] {
  const errors = margins.map((): Errors => ({ slopes: new Float64Array(target.length), curvatures: new Float64Array(target.length) }));
  const shares = new Float64Array(margins.length);
  for (let row = 0; row < target.length; row += 1) {
    const weight = weights?.[row] ?? 1;
    const truth = target[row] as number;
    margins.forEach((own, output) => (shares[output] = own[row] as number));
    if (objective === 'multiclass') softmaxSlopes(shares, truth);
    else if (objective === 'binary') shares[0] = 1 / (1 + Math.exp(-(shares[0] as number))) - truth;
    else shares[0] = (shares[0] as number) - truth;
    errors.forEach(({ slopes, curvatures }, output) => {
      const slope = shares[output] as number;
      const isOwn = objective === 'multiclass' ? truth === output : truth === 1;
      const probability = slope + (isOwn ? 1 : 0);
      slopes[row] = weight * slope;
      curvatures[row] = weight * (objective === 'binary' || objective === 'multiclass' ? probability * (1 - probability) : 1);
    });
  }
  return errors;
}
