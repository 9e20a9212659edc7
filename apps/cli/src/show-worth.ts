import type { LaunchResult } from '@slipway/project/contract';
import { short } from './output.ts';

type Worth = NonNullable<LaunchResult['objective']>;

const NAMES: Readonly<Record<string, string>> = {
  'act-on-none': 'acting on no row',
  'act-on-all': 'acting on every row',
  constant: 'the best constant',
  rules: 'the rules',
  champion: 'the live version',
};

const VERDICTS: Readonly<Record<string, string>> = {
  'use-model': 'use the model',
  'act-on-none': 'acting on no row is worth more',
  'act-on-all': 'acting on every row is worth more',
  'use-constant': 'the best constant is worth more',
  'use-rules': 'the rules are worth more',
  'keep-champion': 'the live version is worth more',
  undecided: 'not decided by these rows',
};

/** What a launch says about decisions, their worth, and the version that was live before; nothing when there is nothing to say. */
export function worthLines({ decision, objective, comparison }: LaunchResult): string {
  return [...decisionLines(decision), ...(objective ? objectiveLines(objective) : []), ...comparisonLines(comparison)].join('\n');
}

function decisionLines(decision: LaunchResult['decision']): string[] {
  if (!decision) return [];
  if (decision.source !== 'default') {
    const by = decision.source === 'costs' ? 'by the costs' : `as the best on ${decision.rows} training rows the fit had not seen`;
    return [`says "positive" from a probability of ${short(decision.threshold)} on, ${by}`];
  }
  const { advice } = decision;
  if (!advice) return [];
  return [
    `advice: the positive class is rare; from ${short(advice.threshold)} on instead of 0.5 the F1 would be ${short(advice.value)} instead of ${short(advice.atDefault)} (training rows the fit had not seen). State what errors cost with --cost-fp and --cost-fn to choose by.`,
  ];
}

function objectiveLines({ kpi, model, alternatives, constraint, selectionRate, verdict, notes }: Worth): string[] {
  const unit = kpi ? ` ${kpi.unit || kpi.name}` : '';
  const of = ({ value, low, high }: Worth['model']) => `${short(value)} (${short(low)} … ${short(high)})`;
  const acts = selectionRate === null ? '' : `, acting on ${short(selectionRate * 100)} % of rows`;
  const bound = constraint && (constraint.atLeast === null ? `<= ${constraint.atMost}` : `>= ${constraint.atLeast}`);
  return [
    `worth per 1,000 rows: ${of(model)}${unit}${acts}`,
    ...alternatives.map(
      ({ name, value, advantage }) => `  ${NAMES[name] ?? name}: ${short(value.value)}${unit}; the model is better by ${of(advantage)}`,
    ),
    ...(constraint ? [`  ${constraint.metric} ${bound}: ${of(constraint.value)}, ${constraint.met ? 'kept' : 'broken'}`] : []),
    `  verdict: ${VERDICTS[verdict] ?? verdict}`,
    ...notes.map((note) => `  note: ${note}`),
  ];
}

function comparisonLines(comparison: LaunchResult['comparison']): string[] {
  if (!comparison) return [];
  const { champion, metric, improvement, deLongPValue, mcNemarPValue, changed, overlap, verdict } = comparison;
  const tests = [
    ...(deLongPValue === null ? [] : [`DeLong p ${short(deLongPValue)}`]),
    ...(mcNemarPValue === null ? [] : [`McNemar p ${short(mcNemarPValue)}, ${short(changed * 100)} % of answers differ`]),
  ];
  const caution = overlap === 'none' ? '' : '; it may have learnt from some of these rows';
  return [
    `against revision ${champion.revision} (${champion.version}): ${verdict.replaceAll('-', ' ')}; advantage in ${metric} ${short(improvement.value)} (${short(improvement.low)} … ${short(improvement.high)})${tests.length > 0 ? `; ${tests.join('; ')}` : ''}${caution}`,
  ];
}
