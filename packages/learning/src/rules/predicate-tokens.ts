import { RuleError } from './errors.ts';

export interface Token {
  readonly kind: 'name' | 'number' | 'string' | 'sign' | 'end';
  readonly text: string;
  /** Of a number or string: what it means. */
  readonly value?: string | number;
}

/** Longest source of one predicate. */
export const PREDICATE_LENGTH_LIMIT = 20_000;

const SIGNS = ['=>', '===', '!==', '==', '!=', '<=', '>=', '&&', '||', '?.', '...', '??', '**'];
const SPACE_OR_COMMENT = /(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)+/y;
const NAME = /[\p{ID_Start}$_][\p{ID_Continue}$]*/uy;
const NUMBER = /(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\\': '\\', "'": "'", '"': '"', '`': '`' };

/** The words of a predicate's source. @throws {RuleError} naming what a rule cannot hold. */
export function tokensOf(source: string): Token[] {
  if (source.length > PREDICATE_LENGTH_LIMIT) throw new RuleError(`A predicate may have ${PREDICATE_LENGTH_LIMIT} characters.`);
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  while (at < source.length) {
    const skipped = match(SPACE_OR_COMMENT);
    if (skipped !== undefined) {
      at += skipped.length;
      continue;
    }
    const token = nextToken(source, at, match);
    tokens.push(token.token);
    at = token.end;
  }
  tokens.push({ kind: 'end', text: 'the end' });
  return tokens;
}

function nextToken(source: string, at: number, match: (pattern: RegExp) => string | undefined): { token: Token; end: number } {
  const name = match(NAME);
  if (name !== undefined) return { token: { kind: 'name', text: name }, end: at + name.length };
  const number = match(NUMBER);
  if (number !== undefined) {
    if (/^0[xXoObB]/.test(source.slice(at, at + 2)) || /^[n\p{ID_Start}]/u.test(source.slice(at + number.length)))
      throw new RuleError(
        `The number at "${source.slice(at, at + 20)}" is written in a way that rules do not read; write it with decimal digits.`,
      );
    return { token: { kind: 'number', text: number, value: Number(number.replaceAll('_', '')) }, end: at + number.length };
  }
  const first = source[at] as string;
  if (first === '"' || first === "'" || first === '`') return readString(source, at, first);
  const sign = SIGNS.filter((each) => source.startsWith(each, at)).toSorted((left, right) => right.length - left.length)[0] ?? first;
  return { token: { kind: 'sign', text: sign }, end: at + sign.length };
}

function readString(source: string, start: number, quote: string): { token: Token; end: number } {
  let value = '';
  for (let at = start + 1; at < source.length; at += 1) {
    const character = source[at] as string;
    if (character === quote) return { token: { kind: 'string', text: source.slice(start, at + 1), value }, end: at + 1 };
    if (quote === '`' && character === '$' && source[at + 1] === '{')
      throw new RuleError('A template with ${…} is computed when it runs; a rule needs the text itself.');
    if (character !== '\\') {
      value += character;
      continue;
    }
    const unicode = /^u(?:\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{4}))/.exec(source.slice(at + 1));
    if (unicode) {
      value += String.fromCodePoint(Number.parseInt((unicode[1] ?? unicode[2]) as string, 16));
      at += unicode[0].length;
      continue;
    }
    const escaped = ESCAPES[source[at + 1] as string];
    if (escaped === undefined)
      throw new RuleError(`The escape \\${source[at + 1] ?? ''} in a text is not read; write the character itself.`);
    value += escaped;
    at += 1;
  }
  throw new RuleError('A text in the predicate does not end.');
}
