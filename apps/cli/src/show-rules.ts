import type { LaunchResult } from '@slipway/project/contract';
import { short, table } from './output.ts';

/** Rules printed; the report has more. */
const RULES_SHOWN = 12;

const VERDICTS = {
  'use-model': 'the model is better than the rules',
  'use-rules': 'the rules are better than the model',
  'no-difference-shown': 'these rows show no difference between the model and the rules',
} as const;

/** "Rules or AI?" with numbers, or the rules that were launched; nothing without rules. */
export function rulesLines(result: LaunchResult): string {
  const { rules } = result;
  if (!rules) return '';
  const { comparison, notes } = rules;
  const rows = rules.rules
    .slice(0, RULES_SHOWN)
    .map(({ condition, name, then, rows: count, found }) => [
      name ?? condition,
      then === null ? '-' : String(then),
      String(count),
      short(found),
    ]);
  const left = rules.rules.length - rows.length;
  const lines = [
    ...(rules.role === 'model' && rows.length > 0
      ? [
          table(rows, ['rule', 'answer', 'rows', result.task === 'regression' ? 'their mean' : 'right there']),
          ...(left > 0 ? [`and ${left} more`] : []),
        ]
      : []),
    ...(comparison ? comparisonLines(comparison) : []),
    ...notes.map((note) => `note: ${note}`),
  ];
  return lines.join('\n');
}

function comparisonLines({
  primary,
  metrics,
  deLongPValue,
  mcNemarPValue,
  changed,
  verdict,
}: NonNullable<NonNullable<LaunchResult['rules']>['comparison']>): string[] {
  const shown = metrics.filter((each) => each.metric === primary || each.metric === 'accuracy' || each.metric === 'mae');
  const tests = [
    ...(deLongPValue === null ? [] : [`DeLong p ${short(deLongPValue)}`]),
    ...(mcNemarPValue === null ? [] : [`McNemar p ${short(mcNemarPValue)}, ${short(changed * 100)} % of answers differ`]),
  ];
  return [
    `rules or AI: ${VERDICTS[verdict]}${tests.length > 0 ? ` (${tests.join('; ')})` : ''}`,
    ...shown.map(
      ({ metric, model, rules, improvement: { value, low, high } }) =>
        `  ${metric}: model ${short(model)}, rules ${short(rules)}; the model is better by ${short(value)} (${short(low)} … ${short(high)})`,
    ),
  ];
}
