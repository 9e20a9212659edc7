import { columnKind, type Contract, type Field, INPUT_ROLES, nearestName, timestampMs } from '@slipway/kernel';
import { RuleError } from './errors.ts';
import type { ColumnTest, Comparison, Condition, Literal, Operand, Rule, RuleTable } from './rule-table.ts';

/**
 * A condition over typed columns. Negations stand at the leaves, and every leaf but `missing` is false where a value it
 * reads is missing; so a rule holds only when it is known to hold.
 */
export type Node =
  | { readonly kind: 'all'; readonly of: readonly Node[] }
  | { readonly kind: 'any'; readonly of: readonly Node[] }
  | { readonly kind: 'compare'; readonly sign: Comparison; readonly left: Operand; readonly right: Operand }
  | { readonly kind: 'levels'; readonly field: string; readonly values: readonly string[]; readonly negated: boolean }
  | { readonly kind: 'text'; readonly field: string; readonly how: TextTest; readonly value: string; readonly negated: boolean }
  | { readonly kind: 'missing'; readonly field: string; readonly negated: boolean };

export type TextTest = 'contains' | 'startsWith' | 'endsWith';

export interface CompiledRules {
  readonly table: RuleTable;
  /** One a rule. */
  readonly conditions: readonly Node[];
  /** Fields that the rules read, in the contract's order. */
  readonly fields: readonly Field[];
}

const NEGATED: Readonly<Record<Comparison, Comparison>> = { '<': '>=', '<=': '>', '>': '<=', '>=': '<', '==': '!=', '!=': '==' };
const BOUNDS: Readonly<Record<string, Comparison>> = { atLeast: '>=', atMost: '<=', above: '>', below: '<' };

/**
 * Fits a decision table to the columns of a contract.
 * @throws {RuleError} naming the rule and the column that is unknown, not to be used, or of another type.
 */
export function compileRules(table: RuleTable, contract: Contract): CompiledRules {
  const compiler = new Compiler(contract);
  const conditions = table.rules.map((rule, index) => compiler.rule(rule, `rule ${index + 1}`));
  return { table, conditions, fields: contract.fields.filter((field) => compiler.used.has(field.name)) };
}

class Compiler {
  readonly used = new Set<string>();
  readonly #fields: ReadonlyMap<string, Field>;
  readonly #names: readonly string[];
  #at = '';

  constructor(contract: Contract) {
    this.#fields = new Map(contract.fields.map((field) => [field.name, field]));
    this.#names = contract.fields.filter((field) => INPUT_ROLES.has(field.role)).map((field) => field.name);
  }

  rule({ when }: Rule, at: string): Node {
    this.#at = at;
    return this.#condition(when, false);
  }

  #condition(condition: Condition, negated: boolean): Node {
    const nodes = Object.entries(condition).map(([key, test]): Node => {
      // The shapes were checked when the table was parsed.
      if (key === '$all') return group('all', test as Condition[], negated, (each) => this.#condition(each, negated));
      if (key === '$any') return group('any', test as Condition[], negated, (each) => this.#condition(each, negated));
      if (key === '$not') return this.#condition(test as Condition, !negated);
      if (key === '$compare') return this.#comparison(test as [Operand, Comparison, Operand], negated);
      return this.#column(key, test as Literal | null | ColumnTest, negated);
    });
    return group('all', nodes, negated, (node) => node);
  }

  #comparison([left, sign, right]: [Operand, Comparison, Operand], negated: boolean): Node {
    this.#checkOperand(left);
    this.#checkOperand(right);
    return { kind: 'compare', sign: negated ? NEGATED[sign] : sign, left, right };
  }

  #checkOperand(operand: Operand): void {
    if (typeof operand === 'number') return;
    if ('calc' in operand) return operand.of.forEach((each) => this.#checkOperand(each));
    const field = this.#field(operand.column);
    if (columnKind(field) === 'text')
      this.#fail(
        `"${field.name}" is ${field.role === 'text' ? 'text' : 'a category'}; only numbers are computed with or compared with each other.`,
        `If it holds numbers: --as ${field.name}=numeric.`,
      );
  }

  #column(name: string, test: Literal | null | ColumnTest, negated: boolean): Node {
    const field = this.#field(name);
    const tests: ColumnTest = test === null ? { missing: true } : typeof test === 'object' ? test : { is: test };
    const nodes = Object.entries(tests).map(([key, value]): Node => this.#test(field, key, value, negated));
    return group('all', nodes, negated, (node) => node);
  }

  #test(field: Field, key: string, value: unknown, negated: boolean): Node {
    if (key === 'missing') return { kind: 'missing', field: field.name, negated: negated !== (value === false) };
    if (key === 'contains' || key === 'startsWith' || key === 'endsWith') {
      if (columnKind(field) !== 'text') this.#fail(`"${field.name}" holds numbers, which contain no text.`);
      return { kind: 'text', field: field.name, how: key, value: value as string, negated };
    }
    const bound = BOUNDS[key];
    if (bound !== undefined) {
      if (columnKind(field) === 'text')
        this.#fail(
          `"${field.name}" is ${field.role === 'text' ? 'text' : 'a category'}, which has no order.`,
          `If it holds numbers: --as ${field.name}=numeric.`,
        );
      return this.#comparison([{ column: field.name }, bound, this.#number(field, value as Literal)], negated);
    }
    const isList = key === 'in' || key === 'notIn';
    const values = isList ? (value as readonly Literal[]) : [value as Literal];
    const isNegated = negated !== (key === 'not' || key === 'notIn');
    if (columnKind(field) === 'text')
      return { kind: 'levels', field: field.name, values: [...new Set(values.map(String))], negated: isNegated };
    const equals = values.map((each): Node => this.#comparison([{ column: field.name }, '==', this.#number(field, each)], isNegated));
    return equals.length === 1 ? (equals[0] as Node) : { kind: isNegated ? 'all' : 'any', of: equals };
  }

  /** A value as a number column holds it. */
  #number(field: Field, value: Literal): number {
    if (typeof value === 'boolean') {
      if (field.type !== 'boolean') this.#fail(`"${field.name}" is a number, not true or false.`);
      return value ? 1 : 0;
    }
    const number =
      field.type === 'timestamp' ? timestampMs(value) : typeof value === 'number' ? value : value.trim() === '' ? undefined : Number(value);
    if (number === undefined || !Number.isFinite(number))
      this.#fail(`"${field.name}" is ${field.type === 'timestamp' ? 'a time' : 'a number'}, and ${JSON.stringify(value)} is none.`);
    if (field.type === 'boolean' && number !== 0 && number !== 1)
      this.#fail(`"${field.name}" is true or false, and ${JSON.stringify(value)} is neither.`);
    return number as number;
  }

  #field(name: string): Field {
    const field = this.#fields.get(name);
    if (!field) {
      const near = nearestName(name, this.#names);
      return this.#fail(
        `there is no column "${name}".${near ? ` Did you mean "${near}"?` : ''}`,
        `The columns are: ${this.#names.slice(0, 20).join(', ')}.`,
      );
    }
    if (!INPUT_ROLES.has(field.role))
      return this.#fail(
        field.role === 'target'
          ? `"${name}" is what is to be predicted; a rule cannot read it.`
          : `the column "${name}" is left out (${field.role}); a rule cannot read it.`,
        field.role === 'target'
          ? undefined
          : `Give it a role with --as ${name}=categorical or --as ${name}=numeric, or accept it with --accept-leak ${name} if it was dropped as a leak.`,
      );
    this.used.add(name);
    return field;
  }

  #fail(message: string, help?: string): never {
    throw new RuleError(`${this.#at}: ${message}`, help === undefined ? {} : { help });
  }
}

/** De Morgan: the negation of all is any of the negated parts. */
function group<T>(kind: 'all' | 'any', parts: readonly T[], negated: boolean, nodeOf: (part: T) => Node): Node {
  const of = parts.map(nodeOf);
  if (of.length === 1) return of[0] as Node;
  return { kind: negated ? (kind === 'all' ? 'any' : 'all') : kind, of };
}

/** The condition of a rule in words, for reports. */
export function describeCondition(condition: Condition): string {
  const parts = Object.entries(condition).map(([key, test]) => {
    if (key === '$all' || key === '$any') {
      const inner = (test as Condition[]).map((each) => describeCondition(each));
      return `(${inner.join(key === '$all' ? ' and ' : ' or ')})`;
    }
    if (key === '$not') return `not (${describeCondition(test as Condition)})`;
    if (key === '$compare') {
      const [left, sign, right] = test as [Operand, Comparison, Operand];
      return `${describeOperand(left)} ${sign} ${describeOperand(right)}`;
    }
    return describeTest(key, test as Literal | null | ColumnTest);
  });
  return parts.join(' and ');
}

const WORDS: Readonly<Record<string, string>> = {
  is: '=',
  not: '≠',
  in: 'in',
  notIn: 'not in',
  atLeast: '>=',
  atMost: '<=',
  above: '>',
  below: '<',
};

function describeTest(column: string, test: Literal | null | ColumnTest): string {
  if (test === null) return `${column} is missing`;
  if (typeof test !== 'object') return `${column} = ${JSON.stringify(test)}`;
  return Object.entries(test)
    .map(([key, value]) => {
      if (key === 'missing') return `${column} is ${value === true ? '' : 'not '}missing`;
      return `${column} ${WORDS[key] ?? key.replace('With', ' with').replace(/s$/, 's')} ${JSON.stringify(value)}`;
    })
    .join(' and ');
}

function describeOperand(operand: Operand): string {
  if (typeof operand === 'number') return String(operand);
  if ('column' in operand) return operand.column;
  return `(${describeOperand(operand.of[0])} ${operand.calc} ${describeOperand(operand.of[1])})`;
}
