import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MonitorSettings } from '@slipway/monitoring/contract';
import { RetrainPolicy } from '@slipway/project/contract';
import * as define from '@slipway/project/define';
import type { Command } from 'commander';
import { describe, test } from 'vitest';
import { createProgram } from './program.ts';
import { rolloutOptions } from './rollout-flags.ts';

/** What `import … from 'slipway'` gives a definition. */
const API: Readonly<Record<string, unknown>> = { ...define };
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const PAGES = ['README.md', ...globSync(['docs/*.md', 'packages/*/README.md', 'apps/*/README.md'], { cwd: ROOT })].toSorted();

interface Block {
  readonly page: string;
  /** What stands behind the fence: `sh`, `ts`, `json monitor`. */
  readonly kind: string;
  readonly text: string;
}

const blocks = PAGES.flatMap((page): Block[] =>
  [...readFileSync(`${ROOT}${page}`, 'utf8').matchAll(/^```(\w[^\n]*)\n([^]*?)^```$/gm)].map(([, kind = '', text = '']) => ({
    page,
    kind,
    text,
  })),
);
const commands = blocks
  .filter(({ kind }) => kind === 'sh')
  .flatMap(({ page, text }) => text.split('\n').map((line) => ({ page, line: line.trim() })))
  .filter(({ line }) => /^(npx )?slipway /.test(line));
const ofKind = (kind: string) => blocks.filter((block) => block.kind === kind);
const definitions = ofKind('ts').filter(({ text }) => text.includes("from 'slipway'") && text.includes('defineProject('));

/** The words of a command line as a shell would hand them over: to the first comment, redirection or chained command. */
function wordsOf(line: string): string[] {
  const [, ...words] = line.replace(/^npx /, '').match(/"[^"]*"|'[^']*'|\S+/g) ?? [];
  const end = words.findIndex((word) => /^(#|>|\||&&|;)/.test(word));
  return (end < 0 ? words : words.slice(0, end)).map((word) => word.replace(/^["']|["']$/g, ''));
}

/** What is wrong with a command line, without running it; null when the program would take it. */
function problemOf(words: readonly string[], program: Command): string | null {
  let command = program;
  const operands: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (word.startsWith('-') && word.length > 1) {
      const [name = '', given] = word.split('=');
      const option = command.options.find(({ long, short }) => long === name || short === name);
      if (!option) return `${command.name()} has no ${name}`;
      const next = words[at + 1];
      if (option.required && given === undefined && next === undefined) return `${name} needs a value`;
      if (!option.isBoolean() && given === undefined && next !== undefined && (option.required || !next.startsWith('-'))) at += 1;
      continue;
    }
    const below = operands.length === 0 ? command.commands.find((each) => each.name() === word) : undefined;
    if (below) command = below;
    else operands.push(word);
  }
  const { registeredArguments: wanted } = command;
  if (operands.length > wanted.length) return `${command.name()} takes no "${operands[wanted.length]}"`;
  const missing = wanted[operands.length];
  return missing?.required ? `${command.name()} needs <${missing.name()}>` : null;
}

describe('what the pages tell people to type', () => {
  test('every command exists with its flags and arguments', () => {
    const program = createProgram();
    assert.ok(commands.length > 40, `only ${commands.length} commands were found`);
    const wrong = commands.flatMap(({ page, line }) => {
      const problem = problemOf(wordsOf(line), program);
      return problem === null ? [] : [`${page}: ${line}: ${problem}`];
    });
    assert.deepEqual(wrong, []);
  });

  test.each([
    ['a command that is none', 'slipway lunch churn.csv', /takes no "lunch"/],
    ['a flag that is none', 'npx slipway rollout start churn --canditate x', /start has no --canditate/],
    ['an argument too many', 'slipway monitor churn now # and why', /monitor takes no "now"/],
    ['an argument too few', 'slipway predict churn > out.json', /predict needs <rows>/],
    ['a flag without its value', 'slipway alerts --status', /--status needs a value/],
  ])('%s would be found (negative control)', (_name, line, problem) => {
    assert.match(problemOf(wordsOf(line), createProgram()) ?? 'nothing', problem);
  });

  test('what a rollout is told to go by is understood', () => {
    const told = commands.flatMap(({ line }) => {
      const words = wordsOf(line);
      const of = (flag: string) => words.flatMap((word, at) => (word === flag ? [words[at + 1] ?? ''] : []));
      return [...of('--goal'), ...of('--guardrail')];
    });
    assert.ok(told.length > 1);
    for (const goal of told) assert.ok(rolloutOptions({ goal: [goal] }).goals, goal);
  });

  test('every definition comes down to launches with the fields it names', () => {
    assert.ok(definitions.length >= 4, `only ${definitions.length} definitions were found`);
    for (const { page, text } of definitions) {
      const [, names = ''] = /import \{([^}]*)\} from 'slipway'/.exec(text) ?? [];
      for (const name of names.split(',').map((each) => each.trim()))
        assert.ok(Object.hasOwn(API, name), `${page}: "slipway" exports no ${name}`);
      const source = text.replace(/^import .*$/m, '').replace('export default', 'return');
      const imported = Object.fromEntries(names.split(',').map((each) => [each.trim(), API[each.trim()]]));
      // oxlint-disable-next-line typescript/no-implied-eval -- the block of a page of this repository, run as a reader would
      const project = new Function(...Object.keys(imported), source)(...Object.values(imported)) as define.ProjectDefinition;
      const planned = [...define.planLaunches(project), ...define.planModelLaunches(project)];
      assert.equal(planned.length, project.definitions.filter(({ type }) => type === 'release').length, page);
    }
  });

  test('every settings file is one', () => {
    for (const [kind, shape] of [
      ['json monitor', MonitorSettings],
      ['json retrain', RetrainPolicy],
    ] as const) {
      const found = ofKind(kind);
      assert.ok(found.length > 0, kind);
      for (const { page, text } of found)
        assert.ok(shape.safeParse(JSON.parse(text)).success, `${page}: ${shape.safeParse(JSON.parse(text)).error?.message}`);
    }
  });
});
