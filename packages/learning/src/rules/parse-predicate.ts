import { RuleError } from './errors.ts';
import { type Token, tokensOf } from './predicate-tokens.ts';
import { CONDITION_DEPTH_LIMIT, type Comparison, type ColumnTest, type Condition, type Literal, type Operand } from './rule-table.ts';

/** What an expression means before it is known where it stands. */
type Value =
  | { readonly kind: 'condition'; readonly condition: Condition }
  | { readonly kind: 'column'; readonly column: string }
  | { readonly kind: 'number'; readonly operand: Operand }
  | { readonly kind: 'literal'; readonly value: Literal }
  | { readonly kind: 'missing' }
  | { readonly kind: 'list'; readonly values: readonly Literal[] };

const HELP =
  'A predicate is one expression over the row: columns, numbers, texts, + - * /, comparisons, && || !, null, [..].includes(column), column.includes(text), startsWith, endsWith.';

/**
 * The condition that a predicate's source means. The function is read, never run: `(row) => row.age >= 60 && row.plan === 'x'`.
 * @throws {RuleError} naming the construct that no rule can hold.
 */
export function parsePredicate(source: string): Condition {
  return new PredicateParser(tokensOf(source)).parse();
}

class PredicateParser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;
  /** Name of the row, or the columns that were taken out of it under names of their own. */
  #row: string | undefined;
  readonly #columns = new Map<string, string>();

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): Condition {
    this.#parameters();
    const hasBody = this.#peek().text === '{' && this.#peek().kind === 'sign';
    if (hasBody) {
      this.#next();
      if (this.#peek().text !== 'return') this.#refuse(`"${this.#peek().text}" in a body that should only return an expression`);
      this.#next();
    }
    const condition = this.#conditionOf(this.#or());
    if (this.#peek().text === ';') this.#next();
    if (hasBody) this.#take('}');
    if (this.#peek().kind !== 'end') this.#refuse(`"${this.#peek().text}" after the expression`);
    return condition;
  }

  #parameters(): void {
    if (this.#peek().text === 'async') this.#refuse('an async function');
    if (this.#peek().text === 'function') this.#next();
    if (this.#peek().text === '*') this.#refuse('a generator');
    // `row => …`, `(row) => …`, `function name(row) {…}`, `when(row) {…}`
    const first = this.#peek();
    if (first.kind === 'name' && this.#tokens[this.#at + 1]?.text === '=>') {
      this.#row = this.#next().text;
      this.#next();
      return;
    }
    if (first.kind === 'name') this.#next();
    this.#take('(');
    if (this.#peek().text === '{') this.#destructure();
    else if (this.#peek().kind === 'name') this.#row = this.#next().text;
    else this.#refuse('a predicate without a row as its parameter');
    if (this.#peek().text === ',') this.#refuse('a second parameter');
    if (this.#peek().text === '=') this.#refuse('a default value of the parameter');
    this.#take(')');
    if (this.#peek().text === '=>') this.#next();
  }

  #destructure(): void {
    this.#take('{');
    while (this.#peek().text !== '}') {
      const token = this.#next();
      if (token.kind !== 'name' && token.kind !== 'string') this.#refuse(`"${token.text}" among the columns taken out of the row`);
      const column = token.kind === 'string' ? String(token.value) : token.text;
      let name = column;
      if (this.#peek().text === ':') {
        this.#next();
        name = this.#next().text;
      }
      if (this.#peek().text === '=') this.#refuse('a default value of a column');
      this.#columns.set(name, column);
      if (this.#peek().text === ',') this.#next();
    }
    this.#take('}');
  }

  #or(): Value {
    return this.#joined('||', '$any', () => this.#joined('&&', '$all', () => this.#comparison()));
  }

  #joined(sign: string, key: '$all' | '$any', inner: () => Value): Value {
    const first = inner();
    if (this.#peek().text !== sign) return first;
    const parts = [this.#conditionOf(first)];
    while (this.#peek().text === sign) {
      this.#next();
      parts.push(this.#conditionOf(inner()));
    }
    return { kind: 'condition', condition: key === '$all' ? together(parts) : { $any: parts } };
  }

  #comparison(): Value {
    const left = this.#sum();
    const sign = this.#peek().text;
    const plain = sign === '===' ? '==' : sign === '!==' ? '!=' : sign;
    if (!['<', '<=', '>', '>=', '==', '!='].includes(plain) || this.#peek().kind !== 'sign') return left;
    this.#next();
    return { kind: 'condition', condition: this.#compared(left, plain as Comparison, this.#sum()) };
  }

  #compared(left: Value, sign: Comparison, right: Value): Condition {
    if (left.kind !== 'column' && right.kind === 'column') return this.#compared(right, MIRRORED[sign], left);
    if (left.kind === 'column' && right.kind === 'missing') {
      if (sign === '==' || sign === '!=') return { [left.column]: sign === '==' ? null : { missing: false } };
      this.#refuse(`"${sign}" with null`);
    }
    if (left.kind === 'column' && (right.kind === 'literal' || (right.kind === 'number' && typeof right.operand === 'number'))) {
      const value = right.kind === 'literal' ? right.value : (right.operand as number);
      if (sign === '==') return { [left.column]: value };
      if (typeof value === 'boolean' && sign !== '!=') this.#refuse(`"${sign}" with true or false`);
      return { [left.column]: { [TESTS[sign]]: value } satisfies ColumnTest };
    }
    return { $compare: [this.#operandOf(left), sign, this.#operandOf(right)] };
  }

  #sum(): Value {
    return this.#arithmetic(['+', '-'], () => this.#arithmetic(['*', '/'], () => this.#unary()));
  }

  #arithmetic(signs: readonly string[], inner: () => Value): Value {
    let left = inner();
    while (this.#peek().kind === 'sign' && signs.includes(this.#peek().text)) {
      const calc = this.#next().text as '+' | '-' | '*' | '/';
      left = { kind: 'number', operand: { calc, of: [this.#operandOf(left), this.#operandOf(inner())] } };
    }
    if (['%', '**'].includes(this.#peek().text)) this.#refuse(`the operator ${this.#peek().text}`);
    return left;
  }

  #unary(): Value {
    this.#depth += 1;
    if (this.#depth > CONDITION_DEPTH_LIMIT * 3) throw new RuleError('The predicate is nested too deep.');
    try {
      const { text, kind } = this.#peek();
      if (kind === 'sign' && text === '!') {
        this.#next();
        return { kind: 'condition', condition: { $not: this.#conditionOf(this.#unary()) } };
      }
      if (kind === 'sign' && text === '-') {
        this.#next();
        const operand = this.#operandOf(this.#unary());
        return { kind: 'number', operand: typeof operand === 'number' ? -operand : { calc: '-', of: [0, operand] } };
      }
      return this.#postfix(this.#primary());
    } finally {
      this.#depth -= 1;
    }
  }

  #primary(): Value {
    const token = this.#next();
    if (token.kind === 'number') return { kind: 'number', operand: token.value as number };
    if (token.kind === 'string') return { kind: 'literal', value: token.value as string };
    if (token.kind === 'name') return this.#named(token.text);
    if (token.text === '(') {
      const inner = this.#or();
      this.#take(')');
      return inner;
    }
    if (token.text === '[') return this.#list();
    if (token.text === '/') this.#refuse('a regular expression');
    return this.#refuse(token.kind === 'end' ? 'an expression that breaks off' : `"${token.text}"`);
  }

  #named(name: string): Value {
    if (name === 'true' || name === 'false') return { kind: 'literal', value: name === 'true' };
    if (name === 'null' || name === 'undefined') return { kind: 'missing' };
    const column = this.#columns.get(name);
    if (column !== undefined) return { kind: 'column', column };
    if (name !== this.#row) {
      const isCall = this.#peek().text === '(' || this.#peek().text === '.';
      return this.#refuse(
        isCall
          ? `a call of "${name}"`
          : `"${name}", which comes from outside the predicate; write its value into it, or take a column as ${this.#row ?? 'row'}.${name}`,
      );
    }
    if (this.#peek().text === '.' || this.#peek().text === '?.') {
      this.#next();
      if (this.#peek().text === '[') return this.#indexed();
      const member = this.#next();
      if (member.kind !== 'name') this.#refuse(`"${member.text}" as a column`);
      if (this.#peek().text === '(') this.#refuse(`a call of "${name}.${member.text}"`);
      return { kind: 'column', column: member.text };
    }
    if (this.#peek().text === '[') return this.#indexed();
    return this.#refuse(`the whole row "${name}"; name a column of it`);
  }

  #indexed(): Value {
    this.#take('[');
    const token = this.#next();
    if (token.kind !== 'string') this.#refuse(`the computed column [${token.text}]`);
    this.#take(']');
    return { kind: 'column', column: String(token.value) };
  }

  #list(): Value {
    const values: Literal[] = [];
    while (this.#peek().text !== ']') {
      const value = this.#sum();
      if (value.kind === 'literal') values.push(value.value);
      else if (value.kind === 'number' && typeof value.operand === 'number') values.push(value.operand);
      else this.#refuse('a list that holds more than numbers and texts');
      if (this.#peek().text === ',') this.#next();
    }
    this.#take(']');
    return { kind: 'list', values };
  }

  /** `.includes(…)` and its kind. */
  #postfix(value: Value): Value {
    const { text } = this.#peek();
    if (text === '(') this.#refuse('a call of a function');
    if (text === '?' || text === '??') this.#refuse(`the operator ${text}`);
    if (text !== '.' && text !== '?.') return value;
    this.#next();
    const method = this.#next().text;
    if (this.#peek().text !== '(') this.#refuse(`".${method}"`);
    this.#next();
    const argument = this.#or();
    this.#take(')');
    if (method === 'includes' && value.kind === 'list' && argument.kind === 'column')
      return { kind: 'condition', condition: { [argument.column]: { in: value.values } } };
    const test = TEXT_METHODS.get(method);
    if (test !== undefined && value.kind === 'column' && argument.kind === 'literal' && typeof argument.value === 'string')
      return { kind: 'condition', condition: { [value.column]: { [test]: argument.value } } };
    return this.#refuse(`a call of ".${method}" here`);
  }

  #conditionOf(value: Value): Condition {
    if (value.kind === 'condition') return value.condition;
    if (value.kind === 'column') return { [value.column]: true };
    return this.#refuse(`${describe(value)} where a condition is needed`);
  }

  #operandOf(value: Value): Operand {
    if (value.kind === 'number') return value.operand;
    if (value.kind === 'column') return { column: value.column };
    return this.#refuse(`${describe(value)} where a number is needed`);
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: 'the end' };
  }

  #next(): Token {
    const token = this.#peek();
    this.#at += 1;
    return token;
  }

  #take(text: string): void {
    const token = this.#next();
    if (token.text !== text) this.#refuse(token.text === '?' ? 'the operator ?' : `"${token.text}" where "${text}" is expected`);
  }

  #refuse(what: string): never {
    throw new RuleError(`A rule cannot hold ${what}.`, { help: HELP });
  }
}

const MIRRORED: Readonly<Record<Comparison, Comparison>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=', '==': '==', '!=': '!=' };
const TESTS: Readonly<Record<Exclude<Comparison, '=='>, keyof ColumnTest>> = {
  '<': 'below',
  '<=': 'atMost',
  '>': 'above',
  '>=': 'atLeast',
  '!=': 'not',
};
const TEXT_METHODS: ReadonlyMap<string, keyof ColumnTest> = new Map([
  ['includes', 'contains'],
  ['startsWith', 'startsWith'],
  ['endsWith', 'endsWith'],
]);

/** Conditions on different columns read best as one record. */
function together(parts: readonly Condition[]): Condition {
  const keys = parts.flatMap((part) => Object.keys(part));
  return new Set(keys).size === keys.length ? (Object.assign({}, ...(parts as object[])) as Condition) : { $all: parts };
}

function describe(value: Value): string {
  if (value.kind === 'literal') return JSON.stringify(value.value);
  return value.kind === 'missing' ? 'null' : value.kind === 'list' ? 'a list' : value.kind === 'number' ? 'a number' : 'a condition';
}
