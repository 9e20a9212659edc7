import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'vitest';
import { ROOT, readWorkspaces, show, sourceFiles } from './house.ts';

const FILE_LINES_LIMIT = 500;
const FUNCTION_LINES_LIMIT = 70;
/** Files and functions over the limit, each with the reason it is better whole. Emptying this list is welcome. */
const EXCEPTIONS: Readonly<Record<string, string>> = {};

/** Named functions and methods longer than the limit, found by indentation, which the formatter guarantees. */
export function longFunctions(text: string, limit: number): string[] {
  const lines = text.split('\n');
  const found: string[] = [];
  lines.forEach((line, index) => {
    const match =
      /^(\s*)(?:export )?(?:default )?(?:async )?(?:function\*?\s+(\w+)|(?:static )?(?:async )?\*?(#?\w+)\([^)]*\)(?::\s*[^{]+)?\s*\{$)/.exec(
        line,
      );
    const name = match?.[2] ?? match?.[3];
    if (!match || !name || ['if', 'for', 'while', 'switch', 'catch', 'test', 'describe'].includes(name)) return;
    const close = `${match[1] ?? ''}}`;
    let end = index + 1;
    while (end < lines.length && !(lines[end] === close || lines[end]?.startsWith(`${close},`) || lines[end]?.startsWith(`${close};`)))
      end += 1;
    if (end - index + 1 > limit) found.push(`${name} (${end - index + 1} lines)`);
  });
  return found;
}

const files = readWorkspaces().flatMap((workspace) => sourceFiles(workspace.directory));

test('no file is over 500 lines and no function over 70 without a stated reason', () => {
  const problems = files.flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    const shown = show(file);
    if (EXCEPTIONS[shown] !== undefined) return [];
    const lines = text.split('\n').length;
    const tooLong = lines > FILE_LINES_LIMIT ? [`${shown}: ${lines} lines`] : [];
    return file.endsWith('.test.ts')
      ? tooLong
      : [...tooLong, ...longFunctions(text, FUNCTION_LINES_LIMIT).map((each) => `${shown}: ${each}`)];
  });
  assert.deepEqual(problems, []);
});

test('every workspace has a README and public names in src/index.ts', () => {
  const missing = readWorkspaces().flatMap((workspace) =>
    ['README.md', 'src/index.ts']
      .filter((file) => !existsSync(join(workspace.directory, file)))
      .map((file) => `${show(workspace.directory)}/${file}`),
  );
  assert.deepEqual(missing, []);
});

test('nothing committed names a registry host or a path of the machine it was written on', () => {
  const forbidden = new RegExp(['/work' + '/(main|shared)', 'registry\\.npmjs\\.org' + '/-/', '\\.pyenv' + '/'].join('|'));
  const problems = [...files, join(ROOT, 'package-lock.json'), join(ROOT, 'README.md')].filter(
    (file) => existsSync(file) && forbidden.test(readFileSync(file, 'utf8')),
  );
  assert.deepEqual(problems.map(show), []);
});

/** Workspaces whose rules must each be cited by a test. */
const RULED = ['kernel', 'audit', 'releases'];

test('every rule of a ruled workspace is cited by a test', () => {
  const uncited = RULED.flatMap((folder) => {
    const readme = join(ROOT, 'packages', folder, 'README.md');
    if (!existsSync(readme)) return [];
    const rules = [...readFileSync(readme, 'utf8').matchAll(/^- \*\*([A-Z]{1,3}\d+)\*\*/gm)].map((match) => match[1] ?? '');
    const tests = files
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n');
    return rules.filter((rule) => !new RegExp(`\\b${rule}\\b`).test(tests)).map((rule) => `${folder}: ${rule}`);
  });
  assert.deepEqual(uncited, []);
});

test('the size check finds a long function (negative control)', () => {
  const body = Array.from({ length: 80 }, () => '  work();').join('\n');
  assert.deepEqual(longFunctions(`export async function tooLong(a: number): Promise<void> {\n${body}\n}\n`, 70), ['tooLong (82 lines)']);
  assert.deepEqual(longFunctions('function short() {\n  return 1;\n}\n', 70), []);
});
