import type { GateResult } from '../contract.ts';
import type { ObjectiveResult } from './contract.ts';

/**
 * The business objective as a gate: the model is shown to be better than doing without it, not shown to be worse than
 * what is live, and keeps its constraint.
 */
export function decideObjective(found: ObjectiveResult | null): GateResult {
  const name = 'objective';
  if (found === null) {
    const message = 'The model was not judged by a business objective. Give the definition one (costs), or leave the gate out.';
    return { name, passed: false, value: null, threshold: 0, message };
  }
  const rivals = found.alternatives.filter((each) => each.name !== 'champion');
  const nearest = rivals.toSorted((left, right) => (left.advantage.value ?? 0) - (right.advantage.value ?? 0))[0];
  const value = nearest?.advantage.low ?? null;
  const failures = [...failedAlternatives(found), ...failedConstraint(found)];
  const passed = value !== null && failures.length === 0;
  const gain = nearest ? `${show(nearest.advantage.value)} ${unitOf(found)} per 1,000 better than ${labelOf(nearest.name)}` : '';
  return { name, passed, value, threshold: 0, message: passed ? `The model is ${gain}.` : [...failures, ...found.notes].join(' ') };
}

function failedAlternatives({ alternatives, ...found }: ObjectiveResult): string[] {
  return alternatives.flatMap(({ name, advantage }) => {
    const by = `${show(advantage.value)} (${show(advantage.low)} to ${show(advantage.high)}) ${unitOf(found)} per 1,000`;
    if (name === 'champion') {
      if ((advantage.high ?? 0) >= 0) return [];
      return [`The live version is worth more: the new one's advantage is ${by}. Keep the live one, or train the new one for longer.`];
    }
    if ((advantage.low ?? 0) > 0) return [];
    return [
      `The model is not shown to be worth more than ${labelOf(name)}: its advantage is ${by}. More test rows, better columns or other costs would decide it.`,
    ];
  });
}

function failedConstraint({ constraint }: ObjectiveResult): string[] {
  if (!constraint || constraint.met) return [];
  const bound = constraint.atLeast === null ? `at most ${constraint.atMost}` : `at least ${constraint.atLeast}`;
  return [
    `${constraint.metric} is ${show(constraint.value.value)} and must be ${bound}. Loosen the constraint, or find columns that let the model keep it.`,
  ];
}

function labelOf(name: string): string {
  if (name === 'act-on-none') return 'acting on no row';
  if (name === 'rules') return 'deciding by the rules';
  return name === 'act-on-all' ? 'acting on every row' : 'predicting one constant';
}

function unitOf({ kpi }: Pick<ObjectiveResult, 'kpi'>): string {
  return kpi === null ? 'units of cost' : kpi.unit || kpi.name;
}

function show(value: number | null): string {
  return value === null ? 'undefined' : String(Number(value.toPrecision(4)));
}
