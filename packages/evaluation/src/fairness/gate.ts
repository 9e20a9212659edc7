import type { FairnessGate, FairnessSection } from './contract.ts';

/** The result of a gate, in the shape that reports keep. */
export interface GateFinding {
  readonly name: string;
  readonly passed: boolean;
  readonly value: number | null;
  readonly threshold: number | null;
  readonly message: string;
}

/** Decides a fairness gate by the groups that are not small. What was not measured fails. */
export function decideFairness(gate: FairnessGate, section: FairnessSection | null): GateFinding {
  const { column, measure, atLeast, atMost } = gate;
  const bounds = [atLeast === undefined ? '' : `>= ${atLeast}`, atMost === undefined ? '' : `<= ${atMost}`].filter(Boolean).join(' and ');
  const name = `${measure} of ${column} ${bounds}`;
  const threshold = atLeast ?? atMost ?? null;
  const attribute = section?.attributes.find((each) => each.columns.join('+') === column || each.columns.toReversed().join('+') === column);
  if (!attribute) {
    return {
      name,
      passed: false,
      value: null,
      threshold,
      message: `Fairness by ${column} was not measured. Name it with --sensitive and launch again.`,
    };
  }
  const found = attribute.disparities.find((each) => each.measure === measure);
  if (!found || found.value === null) {
    const help = 'Use more test rows of each group, or a measure that fits the task.';
    return { name, passed: false, value: null, threshold, message: `${measure} of ${column} is undefined on the test rows. ${help}` };
  }
  const { value } = found;
  const passed = (atLeast === undefined || value >= atLeast) && (atMost === undefined || value <= atMost);
  const interval = found.low === null || found.high === null ? '' : ` (95 % interval ${show(found.low)} to ${show(found.high)})`;
  const message = `${measure} between the groups of ${column} is ${show(value)}${interval}.`;
  const advice =
    ' Launch with --mitigate reweighing or --mitigate thresholds, leave out columns that stand for the group, or set the gate to what the use allows.';
  return { name, passed, value, threshold, message: passed ? message : `${message}${advice}` };
}

function show(value: number): string {
  return String(Number(value.toPrecision(4)));
}
