import type { GateFinding } from '../fairness/gate.ts';
import { warningOf } from './assess-robustness.ts';
import { ROBUSTNESS_TOLERANCES, type RobustnessGate, type RobustnessSection, type RobustnessTest } from './contract.ts';

/** Decides a robustness gate. A named test that was not measured fails; a test that fits no column of the model passes. */
export function decideRobustness(gate: RobustnessGate, section: RobustnessSection | null): GateFinding {
  const { test, atMost } = gate;
  const name = `robustness${test === undefined ? '' : ` to ${test}`}${atMost === undefined ? '' : ` <= ${atMost}`}`;
  if (!section)
    return { name, passed: false, value: null, threshold: atMost ?? null, message: 'Robustness was not measured. Launch again.' };
  const judged = section.summary
    .filter((each) => test === undefined || each.test === test)
    .map((each) => ({ ...each, tolerance: atMost ?? ROBUSTNESS_TOLERANCES[each.test] }));
  if (judged.length === 0) return nothingJudged(name, test, atMost);
  const broken = judged.filter((each) => (each.worst ?? Number.POSITIVE_INFINITY) > each.tolerance);
  const worst = judged.toSorted((left, right) => (right.worst ?? 0) - right.tolerance - ((left.worst ?? 0) - left.tolerance))[0];
  const message = broken.length === 0 ? 'Decisions hold within the tolerances.' : `${broken.map(warningOf).join(' ')} ${ADVICE}`;
  return { name, passed: broken.length === 0, value: worst?.worst ?? null, threshold: worst?.tolerance ?? null, message };
}

const ADVICE =
  'Set such expectations of the contract to severity "error" so that such rows are refused, leave the column out, or set the tolerance to what the use allows.';

function nothingJudged(name: string, test: RobustnessTest | undefined, atMost: number | undefined): GateFinding {
  if (test === 'label_noise') {
    return {
      name,
      passed: false,
      value: null,
      threshold: atMost ?? null,
      message: 'The effect of wrong labels could not be measured in time.',
    };
  }
  return { name, passed: true, value: null, threshold: atMost ?? null, message: 'The model has no column that the test applies to.' };
}
