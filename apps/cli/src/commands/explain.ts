import type { Client } from '@slipway/client';
import { type Counterfactual, type ExplainOptions, type Explanation, InvalidError } from '@slipway/kernel';
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
    .option('--class <label>', 'contributions towards this class instead of the predicted one; three classes or more')
    .option('--counterfactuals <n>', `ways to another decision that are looked for (default: ${COUNTERFACTUALS_SHOWN_DEFAULT})`)
    .option('--want <label|>=n|<=n>', 'the other decision: a label, or a bound for a number')
    .option('--immutable <a,b>', 'columns that may not change, beside those the version protects')
    .option('--neighbours <n>', `training examples most like the row (default: ${NEIGHBOURS_SHOWN_DEFAULT})`)
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
  const number = (name: 'top' | 'counterfactuals' | 'neighbours', max: number) =>
    parseNumber(`--${name}`, flags[name], { min: name === 'top' ? 1 : 0, max, whole: true });
  const [top, counterfactuals, neighbours] = [number('top', 2_000), number('counterfactuals', 10), number('neighbours', 20)];
  const immutable = parseList(flags.immutable);
  return {
    ...(method === undefined ? {} : { method }),
    ...(top === undefined ? {} : { top }),
    ...(counterfactuals === undefined ? {} : { counterfactuals }),
    ...(neighbours === undefined ? {} : { neighbours }),
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
  score: 'score',
};

/** An explanation as a person reads it: the strongest columns first, then what would have changed the answer. */
export function showExplanation(explanation: Explanation): string {
  const { contributions, rest, base, margin, space, output, method, counterfactuals, neighbours, notes } = explanation;
  const signed = (value: number) => `${value >= 0 ? '+' : '-'}${short(Math.abs(value))}`;
  const rows = [
    ['', 'on average', short(base)],
    ...contributions.map((each) => [each.field, cellText(each.value), signed(each.contribution)]),
    ...(rest === 0 ? [] : [['', 'all other columns', signed(rest)]]),
    ['', 'this row', short(margin)],
  ];
  const towards = output === null ? '' : ` towards ${output}`;
  return [
    '',
    `why (${method}, ${UNITS[space]}${towards}):`,
    table(rows, ['column', 'value', 'contribution']),
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
