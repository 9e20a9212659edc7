/* oxlint-disable unicorn/no-thenable -- `then` is what a rule answers, never a function */
import { parseJson } from '@slipway/kernel';
import { RuleError } from './errors.ts';
import { type ColumnTest, type Condition, type Literal, parseRules, type RuleTable } from './rule-table.ts';

/** Longest rule file in UTF-16 units. */
export const RULE_FILE_LENGTH_LIMIT = 5_000_000;

/** Columns of a rule file that are no columns of the data. */
const ANSWER_COLUMNS = ['then', 'probability', 'name'];

/**
 * A decision table from a file's text. JSON: the table itself. CSV: one rule a line, one column a line of the data plus
 * `then` (or the target's name), and perhaps `probability` and `name`. A cell holds `>= 60`, `< 5`, `18..30`, `a|b`, `!a`,
 * `missing`, `present`, `*part*`, or the value; an empty one or `-` allows anything. A line without conditions is
 * `otherwise`, and stands last.
 * @throws {RuleError} naming the line.
 */
export function readRuleFile(text: string, options: { readonly fileName: string; readonly target: string }): RuleTable {
  if (text.length > RULE_FILE_LENGTH_LIMIT) throw new RuleError(`${options.fileName} is too long for a decision table.`);
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  if (trimmed.startsWith('{') || trimmed.startsWith('[')) {
    let parsed: unknown;
    try {
      parsed = parseJson(trimmed);
    } catch (cause) {
      throw new RuleError(`${options.fileName} is no JSON: ${cause instanceof Error ? cause.message : ''}`, { cause });
    }
    return parseRules(parsed);
  }
  return parseRules(tableOf(cellsOf(trimmed), options));
}

function tableOf(
  lines: readonly (readonly string[])[],
  { fileName, target }: { readonly fileName: string; readonly target: string },
): unknown {
  const header = (lines[0] ?? []).map((name) => name.trim());
  const answerAt = header.includes('then') ? header.indexOf('then') : header.indexOf(target);
  if (answerAt < 0)
    throw new RuleError(`${fileName} has no column "then" (or "${target}") that says what a rule answers.`, {
      help: `Its first line names the columns: ${header.slice(0, 20).join(', ')}.`,
    });
  const at = (name: string, cells: readonly string[]) => (header.includes(name) ? (cells[header.indexOf(name)] ?? '').trim() : '');
  let otherwise: Record<string, unknown> | undefined;
  const rules = lines.slice(1).flatMap((cells, index) => {
    const place = `${fileName}, line ${index + 2}`;
    if (cells.length > header.length) throw new RuleError(`${place}: has ${cells.length} cells under ${header.length} names.`);
    if (otherwise) throw new RuleError(`${place}: stands after a line without conditions, which decides every row that is left.`);
    const when: Record<string, unknown> = {};
    header.forEach((name, column) => {
      if (column === answerAt || ANSWER_COLUMNS.includes(name)) return;
      const test = testOf((cells[column] ?? '').trim(), `${place}, ${name}`);
      if (test !== undefined) when[name] = test;
    });
    const then = (cells[answerAt] ?? '').trim();
    const probability = at('probability', cells);
    const given = { ...(then === '' ? {} : { then: unquoted(then) }), ...(probability === '' ? {} : { probability: Number(probability) }) };
    const name = at('name', cells);
    if (Object.keys(when).length > 0) return [{ when: when as Condition, ...given, ...(name === '' ? {} : { name }) }];
    otherwise = {
      ...('then' in given ? { otherwise: given.then } : {}),
      ...(probability === '' ? {} : { otherwiseProbability: Number(probability) }),
    };
    return [];
  });
  return { rules, ...otherwise };
}

const NUMBER = /^-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const BOUNDS = [
  ['>=', 'atLeast'],
  ['<=', 'atMost'],
  ['>', 'above'],
  ['<', 'below'],
] as const;

function testOf(text: string, at: string): Literal | ColumnTest | undefined {
  if (text === '' || text === '-') return undefined;
  if (text === 'missing' || text === 'present') return { missing: text === 'missing' };
  const bounds = text.split(/\s*&\s*/);
  if (bounds.every((each) => BOUNDS.some(([sign]) => each.startsWith(sign))))
    return Object.fromEntries(bounds.map((each) => bound(each, at)));
  const range = /^(\S+?)\s*\.\.\s*(\S+)$/.exec(text);
  if (range) return { atLeast: value(range[1] as string), atMost: value(range[2] as string) } as ColumnTest;
  if (text.startsWith('!')) {
    const values = listOf(text.slice(1));
    return values.length === 1 ? { not: values[0] as Literal } : { notIn: values };
  }
  const starred = /^(\*?)([^*]+)(\*?)$/.exec(text);
  if (starred && (starred[1] === '*' || starred[3] === '*')) {
    const how = starred[1] === '*' ? (starred[3] === '*' ? 'contains' : 'endsWith') : 'startsWith';
    return { [how]: starred[2] as string };
  }
  const values = listOf(text);
  return values.length === 1 ? (values[0] as Literal) : { in: values };
}

function bound(text: string, at: string): [string, number | string] {
  const [sign, key] = BOUNDS.find(([each]) => text.startsWith(each)) as (typeof BOUNDS)[number];
  const rest = text.slice(sign.length).trim();
  if (rest === '') throw new RuleError(`${at}: "${text}" lacks its number.`);
  return [key, value(rest) as number | string];
}

function listOf(text: string): Literal[] {
  return text.split('|').map((each) => value(each.trim()));
}

function value(text: string): Literal {
  if (text === 'true' || text === 'false') return text === 'true';
  return NUMBER.test(text) ? Number(text) : unquoted(text);
}

function unquoted(text: string): string {
  return /^'.*'$/s.test(text) ? text.slice(1, -1) : text;
}

/** RFC 4180 cells; comma or semicolon, whichever the first line has more of. */
function cellsOf(text: string): string[][] {
  const first = text.split('\n', 1)[0] ?? '';
  const delimiter = first.split(';').length > first.split(',').length ? ';' : ',';
  const lines: string[][] = [[]];
  const pattern = new RegExp(`(?:"((?:[^"]|"")*)"|([^${delimiter}\\r\\n"]*))(${delimiter}|\\r?\\n|$)`, 'gy');
  let ended = false;
  while (!ended) {
    const found = pattern.exec(text);
    if (!found) throw new RuleError(`Line ${lines.length} of the rule file has a quote that is not closed.`);
    lines.at(-1)?.push(found[1] === undefined ? (found[2] as string) : found[1].replaceAll('""', '"'));
    if (found[3] === '') ended = true;
    else if (found[3] !== delimiter) lines.push([]);
  }
  return lines.filter((cells) => cells.some((cell) => cell.trim() !== '') || cells === lines[0]);
}
