import type { Client } from '@slipway/client';
import { type Counterfactual, type ExplainOptions, type Explanation, InvalidError, type RuleMention } from '@slipway/kernel';
import type { Command } from 'commander';
import { withClient } from '../connect.ts';
import { globalOptions, parseList, parseNumber } from '../options.ts';
import { createOutput, printResult, short, table } from '../output.ts';

interface ExplainFlags {
  readonly method?: string;
  readonly top?: string;
  readonly class?: string;
  readonly counterfactuals?: string;
  readonly want?: string;
  readonly immutable?: string;
  readonly neighbours?: string;
  readonly step?: string;
}

const COUNTERFACTUALS_SHOWN_DEFAULT = 3;
const NEIGHBOURS_SHOWN_DEFAULT = 3;
/** Longest value of a cell. */
const CELL_LENGTH = 40;

/** `slipway explain`: why a recorded call was answered as it was, and what would have changed the answer. */
export function addExplain(program: Command): void {
  program
    .command('explain')
    .description('why a recorded call was answered as it was, and what would have changed the answer')
    .argument('<invocation>', 'id of the call, as predict shows it')
    .option('--method <name>', 'path-dependent (default) or interventional')
    .option('--top <n>', 'columns named, the strongest first (default: 10)')
    .option('--class <label>', 'contributions towards this class, cluster or component instead of the answered one')
    .option('--counterfactuals <n>', `ways to another decision that are looked for (default: ${COUNTERFACTUALS_SHOWN_DEFAULT})`)
    .option('--want <label|>=n|<=n>', 'the other decision: a label, or a bound for a number')
    .option('--immutable <a,b>', 'columns that may not change, beside those the version protects')
    .option('--neighbours <n>', `training examples most like the row (default: ${NEIGHBOURS_SHOWN_DEFAULT})`)
    .option('--step <n>', 'the step of a forecast that is explained (default: 1)')
    .action(async (invocation: string, flags: ExplainFlags, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      const wanted = explainBody({
        counterfactuals: String(COUNTERFACTUALS_SHOWN_DEFAULT),
        neighbours: String(NEIGHBOURS_SHOWN_DEFAULT),
        ...flags,
      });
      await withClient(options, output, async (client) => {
        const reply = await client.invocations.explain(invocation, wanted);
        printResult(output, reply, () =>
          [
            `${reply.invocation}: ${reply.release} revision ${reply.revision}, version ${reply.version}`,
            answerLine(reply.output),
            showExplanation(reply.explanation),
          ].join('\n'),
        );
      });
    });
}

/** What the flags ask for. @throws {InvalidError} naming the flag. */
function explainBody(flags: ExplainFlags): NonNullable<Parameters<Client['invocations']['explain']>[1]> {
  const { method } = flags;
  if (method !== undefined && method !== 'path-dependent' && method !== 'interventional')
    throw new InvalidError(`--method must be path-dependent or interventional, got "${method}".`);
  const number = (name: 'top' | 'counterfactuals' | 'neighbours' | 'step', max: number) =>
    parseNumber(`--${name}`, flags[name], { min: name === 'top' || name === 'step' ? 1 : 0, max, whole: true });
  const [top, counterfactuals, neighbours] = [number('top', 2_000), number('counterfactuals', 10), number('neighbours', 20)];
  const step = number('step', 100_000);
  const immutable = parseList(flags.immutable);
  return {
    ...(method === undefined ? {} : { method }),
    ...(top === undefined ? {} : { top }),
    ...(counterfactuals === undefined ? {} : { counterfactuals }),
    ...(neighbours === undefined ? {} : { neighbours }),
    ...(step === undefined ? {} : { step }),
    ...(flags.class === undefined ? {} : { class: flags.class }),
    ...(flags.want === undefined ? {} : { wanted: parseWanted(flags.want) }),
    ...(immutable.length === 0 ? {} : { immutable }),
  };
}

function parseWanted(text: string): NonNullable<ExplainOptions['wanted']> {
  const bound = /^(>=|<=)\s*(.+)$/.exec(text);
  if (!bound) return { label: text };
  const value = Number(bound[2]);
  if (!Number.isFinite(value)) throw new InvalidError(`--want: "${bound[2]}" is not a number.`);
  return bound[1] === '>=' ? { atLeast: value } : { atMost: value };
}

function answerLine(answer: unknown): string {
  if (answer === null || typeof answer !== 'object' || !('prediction' in answer)) return '';
  const chances =
    'probabilities' in answer && answer.probabilities !== null && typeof answer.probabilities === 'object'
      ? Object.entries(answer.probabilities)
          .toSorted(([, left], [, right]) => Number(right) - Number(left))
          .slice(0, 5)
          .map(([label, chance]) => `${label} ${short(Number(chance))}`)
      : [];
  return `answer: ${String(answer.prediction)}${chances.length > 0 ? `  (${chances.join(', ')})` : ''}`;
}

const UNITS: Readonly<Record<Explanation['space'], string>> = {
  'log-odds': 'log-odds',
  'class-score': 'score of the class',
  value: 'in the unit of the target',
  'log-value': 'logarithm of the number',
  'root-value': 'root of the number',
  score: 'score',
  probability: 'probability',
  'squared-distance': 'squared deviations',
  isolation: 'logarithm of the score to base 2',
};

/** An explanation as a person reads it: the strongest columns first, then what would have changed the answer. */
export function showExplanation(explanation: Explanation): string {
  const { contributions, rest, base, margin, space, output, method, counterfactuals, neighbours, notes, rules, step } = explanation;
  if (rules) return showRuleExplanation(explanation, rules);
  const signed = (value: number) => `${value >= 0 ? '+' : '-'}${short(Math.abs(value))}`;
  const rows = [
    ['', base === 0 && space === 'squared-distance' ? 'at the centre' : step ? 'level of the recent past' : 'on average', short(base)],
    ...contributions.map((each) => [each.field, cellText(each.value), signed(each.contribution)]),
    ...(rest === 0 ? [] : [['', 'all other columns', signed(rest)]]),
    ['', step ? `step ${step.step}` : 'this row', short(margin)],
  ];
  const towards = output === null ? '' : ` towards ${output}`;
  return [
    '',
    `why (${method}, ${UNITS[space]}${towards}):`,
    table(rows, ['column', 'value', 'contribution']),
    ...(step ? ['', intervalLine(step)] : []),
    ...contributions.flatMap(({ field, words }) =>
      words && words.length > 0
        ? ['', `words of ${field}: ${words.map(({ word, effect }) => `${word} ${signed(effect)}`).join('  ')}`]
        : [],
    ),
    ...(counterfactuals && counterfactuals.length > 0
      ? ['', 'what would have changed it:', ...counterfactuals.map(counterfactualLine)]
      : []),
    ...(neighbours && neighbours.length > 0
      ? [
          '',
          'training examples most like it:',
          table(
            neighbours.map((each) => [
              each.row,
              String(each.target),
              short(each.distance),
              ...contributions.slice(0, 5).map(({ field }) => cellText(each.values[field] ?? null)),
            ]),
            ['row', 'target', 'distance', ...contributions.slice(0, 5).map(({ field }) => field)],
          ),
        ]
      : []),
    ...(notes ?? []).map((note) => `note: ${note}`),
  ].join('\n');
}

function intervalLine({ time, interval }: NonNullable<Explanation['step']>): string {
  const { level, low, high, source, factor, unit } = interval;
  const sources = {
    backtest: 'times the error to expect of this series now, from forecasts of the past',
    'short-history': 'times its level: the series has little history, and others forecast like it were wrong by so much',
    'no-history': 'times the level of the others: nothing is known of the series',
  };
  return `${time}: ${short(100 * level)} % interval ${short(low)} to ${short(high)}; half of it is ${short(factor)} ${sources[source]} (${short(unit)})`;
}

/** Which rule decided, and what kept the nearest from it. */
function showRuleExplanation({ output, margin, notes }: Explanation, { decided, near }: NonNullable<Explanation['rules']>): string {
  const named = (rule: RuleMention) => (rule.rule === null ? 'no rule' : `rule ${rule.rule}${rule.name === null ? '' : ` (${rule.name})`}`);
  const share = (rule: RuleMention) => (rule.share === null ? '' : `; it decides ${short(100 * rule.share)} % of the training rows`);
  return [
    '',
    `why: ${named(decided)}${decided.rule === null ? ' holds' : `: ${decided.condition}`}${share(decided)}${output === null ? '' : `; ${output} with probability ${short(margin)}`}`,
    ...(near.length > 0 ? ['', 'the nearest rules that did not decide:'] : []),
    ...near.map((rule) => {
      const answers = rule.then === null ? '' : ` → ${cellText(rule.then)}`;
      const failed = rule.failed.map(
        ({ condition, values }) =>
          `${condition} fails (${Object.entries(values)
            .map(([name, value]) => `${name} ${cellText(value)}`)
            .join(', ')})`,
      );
      return `  ${named(rule)}${answers}: ${failed.length === 0 ? 'holds too, but an earlier one decides' : failed.join('; ')}`;
    }),
    ...(notes ?? []).map((note) => `note: ${note}`),
  ].join('\n');
}

function counterfactualLine({ changes, prediction, probabilities }: Counterfactual): string {
  const changed = changes.map(({ field, from, to }) => `${field} ${cellText(from)} → ${cellText(to)}`).join(', ');
  const chance = probabilities && typeof prediction === 'string' ? ` (${short(probabilities[prediction])})` : '';
  return `  ${changed}: ${String(prediction)}${chance}`;
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return 'missing';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > CELL_LENGTH ? `${text.slice(0, CELL_LENGTH - 1)}…` : text;
}
