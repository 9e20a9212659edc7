/* oxlint-disable unicorn/no-thenable -- `then` is what a rule answers, never a function */
import { nearestName } from '@slipway/kernel';
import { RuleError } from './errors.ts';

/** Rules of one table, and conditions of one rule. */
export const RULE_LIMIT = 1_000;
export const CONDITION_LIMIT = 500;
export const CONDITION_DEPTH_LIMIT = 40;
/** Values one `in` may list. */
export const VALUE_LIMIT = 10_000;

export type Literal = string | number | boolean;

/** A number: itself, a column, or both in arithmetic. */
export type Operand =
  number | { readonly column: string } | { readonly calc: '+' | '-' | '*' | '/'; readonly of: readonly [Operand, Operand] };

export type Comparison = '<' | '<=' | '>' | '>=' | '==' | '!=';

/** What a column must be; several at once must all hold. A missing value meets none of them but `missing: true`. */
export interface ColumnTest {
  readonly is?: Literal;
  readonly not?: Literal;
  readonly in?: readonly Literal[];
  readonly notIn?: readonly Literal[];
  readonly atLeast?: number | string;
  readonly atMost?: number | string;
  readonly above?: number | string;
  readonly below?: number | string;
  readonly missing?: boolean;
  readonly contains?: string;
  readonly startsWith?: string;
  readonly endsWith?: string;
}

/**
 * Columns with what each must be; all must hold. `$all`, `$any` and `$not` combine conditions, `$compare` compares
 * numbers that are computed.
 */
export interface Condition {
  readonly $all?: readonly Condition[];
  readonly $any?: readonly Condition[];
  readonly $not?: Condition;
  readonly $compare?: readonly [Operand, Comparison, Operand];
  readonly [column: string]: unknown;
}

export interface Rule {
  readonly when: Condition;
  /** Label, or number; without it what its training rows say. */
  readonly then?: Literal;
  /** Of `then`, instead of its share of the training rows. */
  readonly probability?: number;
  readonly name?: string;
}

/** Rules in order: the first whose condition holds decides; `otherwise` when none does. */
export interface RuleTable {
  readonly rules: readonly Rule[];
  readonly otherwise?: Literal;
  readonly otherwiseProbability?: number;
}

const TEST_KEYS = ['is', 'not', 'in', 'notIn', 'atLeast', 'atMost', 'above', 'below', 'missing', 'contains', 'startsWith', 'endsWith'];
const COMPARISONS: readonly string[] = ['<', '<=', '>', '>=', '==', '!='];
const COMBINERS = ['$all', '$any', '$not', '$compare'];
const TABLE_KEYS = ['rules', 'otherwise', 'otherwiseProbability'];
const RULE_KEYS = ['when', 'then', 'probability', 'name'];

/**
 * A decision table from plain JSON, checked and without what says nothing.
 * @throws {RuleError} naming the rule, the place in it, and the mend.
 */
export function parseRules(given: unknown): RuleTable {
  const table = Array.isArray(given) ? { rules: given } : given;
  if (!isRecord(table) || !Array.isArray(table['rules']))
    throw new RuleError('A decision table is a list of rules, or { rules, otherwise }.');
  knownKeys(table, TABLE_KEYS, 'the table');
  const list: unknown[] = table['rules'];
  if (list.length === 0) throw new RuleError('A decision table needs at least one rule.');
  if (list.length > RULE_LIMIT) throw new RuleError(`A decision table may have ${RULE_LIMIT} rules; this one has ${list.length}.`);
  const otherwise = table['otherwise'];
  return {
    rules: list.map((rule, index) => parseRule(rule, `rule ${index + 1}`)),
    ...(otherwise === undefined ? {} : { otherwise: literal(otherwise, 'otherwise') }),
    ...probabilityOf('otherwiseProbability', table['otherwiseProbability'], otherwise, 'otherwiseProbability'),
  };
}

function parseRule(given: unknown, at: string): Rule {
  if (!isRecord(given)) throw new RuleError(`${at}: a rule is { when, then }.`);
  knownKeys(given, RULE_KEYS, at);
  const { when, then, probability, name } = given;
  if (name !== undefined && (typeof name !== 'string' || name.length > 200)) throw new RuleError(`${at}: the name must be a short text.`);
  const budget = { left: CONDITION_LIMIT };
  return {
    when: parseCondition(when, `${at}, when`, budget, 0),
    ...(then === undefined ? {} : { then: literal(then, `${at}, then`) }),
    ...probabilityOf('probability', probability, then, at),
    ...(name === undefined ? {} : { name }),
  };
}

function probabilityOf<K extends string>(key: K, given: unknown, then: unknown, at: string): { [P in K]?: number } {
  if (given === undefined) return {};
  if (then === undefined) throw new RuleError(`${at}: a probability needs an answer that it belongs to ("then").`);
  if (typeof given === 'number' && given >= 0 && given <= 1) return { [key]: given } as { [P in K]?: number };
  throw new RuleError(`${at}: the probability must be a number from 0 to 1, got ${show(given)}.`);
}

interface Budget {
  left: number;
}

function parseCondition(given: unknown, at: string, budget: Budget, depth: number): Condition {
  if (!isRecord(given)) throw new RuleError(`${at}: a condition is { column: test, … }, got ${show(given)}.`);
  if (depth > CONDITION_DEPTH_LIMIT) throw new RuleError(`${at}: conditions may be nested ${CONDITION_DEPTH_LIMIT} deep.`);
  const entries = Object.entries(given).filter(([, test]) => test !== undefined);
  if (entries.length === 0) throw new RuleError(`${at}: an empty condition would hold for every row; give "otherwise" instead.`);
  budget.left -= entries.length;
  if (budget.left < 0) throw new RuleError(`${at}: a rule may have ${CONDITION_LIMIT} conditions. Split it.`);
  return Object.fromEntries(
    entries.map(([key, test]): [string, unknown] => {
      const place = `${at}.${key}`;
      if (key === '$all' || key === '$any') return [key, parseList(test, place, budget, depth)];
      if (key === '$not') return [key, parseCondition(test, place, budget, depth + 1)];
      if (key === '$compare') return [key, parseComparison(test, place)];
      if (key.startsWith('$')) throw new RuleError(`${place}: there is no "${key}"; there are ${COMBINERS.join(', ')}.`);
      return [key, parseTest(test, place)];
    }),
  );
}

function parseList(given: unknown, at: string, budget: Budget, depth: number): Condition[] {
  if (!Array.isArray(given) || given.length === 0) throw new RuleError(`${at}: is a list of conditions.`);
  return given.map((each: unknown, index) => parseCondition(each, `${at}[${index}]`, budget, depth + 1));
}

function parseComparison(given: unknown, at: string): [Operand, Comparison, Operand] {
  if (!Array.isArray(given) || given.length !== 3 || !COMPARISONS.includes(String(given[1])))
    throw new RuleError(`${at}: is [number or { column }, one of ${COMPARISONS.join(' ')}, number or { column }].`);
  return [parseOperand(given[0], at, 0), given[1] as Comparison, parseOperand(given[2], at, 0)];
}

function parseOperand(given: unknown, at: string, depth: number): Operand {
  if (depth > CONDITION_DEPTH_LIMIT) throw new RuleError(`${at}: arithmetic may be nested ${CONDITION_DEPTH_LIMIT} deep.`);
  if (typeof given === 'number' && Number.isFinite(given)) return given;
  if (isRecord(given) && typeof given['column'] === 'string') return { column: given['column'] };
  const of = isRecord(given) ? given['of'] : undefined;
  const calc = isRecord(given) ? given['calc'] : undefined;
  if (Array.isArray(of) && of.length === 2 && (calc === '+' || calc === '-' || calc === '*' || calc === '/'))
    return { calc, of: [parseOperand(of[0], at, depth + 1), parseOperand(of[1], at, depth + 1)] };
  throw new RuleError(`${at}: ${show(given)} is no number, { column } or { calc, of }.`);
}

function parseTest(given: unknown, at: string): Literal | null | ColumnTest {
  if (given === null) return null;
  if (!isRecord(given)) return literal(given, at);
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  if (entries.length === 0) throw new RuleError(`${at}: an empty test says nothing.`);
  knownKeys(given, TEST_KEYS, at);
  return Object.fromEntries(entries.map(([key, value]) => [key, parseTestValue(key, value, `${at}.${key}`)]));
}

function parseTestValue(key: string, value: unknown, at: string): unknown {
  if (key === 'in' || key === 'notIn') {
    if (!Array.isArray(value) || value.length === 0 || value.length > VALUE_LIMIT)
      throw new RuleError(`${at}: is a list of 1 to ${VALUE_LIMIT} values.`);
    return value.map((each: unknown) => literal(each, at));
  }
  if (key === 'missing') {
    if (typeof value === 'boolean') return value;
    throw new RuleError(`${at}: is true or false.`);
  }
  if (key === 'contains' || key === 'startsWith' || key === 'endsWith') {
    if (typeof value === 'string' && value !== '' && value.length <= 1_000 && !value.includes('\0')) return value;
    throw new RuleError(`${at}: is a text of 1 to 1,000 characters.`);
  }
  const parsed = literal(value, at);
  if (typeof parsed === 'boolean' && key !== 'is' && key !== 'not') throw new RuleError(`${at}: is a number or a time.`);
  return parsed;
}

function literal(given: unknown, at: string): Literal {
  if (typeof given === 'boolean' || (typeof given === 'number' && Number.isFinite(given))) return given;
  if (typeof given === 'string' && given !== '' && given.length <= 10_000) return given;
  throw new RuleError(`${at}: ${show(given)} is no text, number, true or false.`, {
    help: given === '' ? 'An empty text is a missing value: test for it with { missing: true }.' : 'Write the value itself.',
  });
}

function knownKeys(given: Readonly<Record<string, unknown>>, known: readonly string[], at: string): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  const near = nearestName(unknown, known);
  throw new RuleError(`${at}: there is no "${unknown.slice(0, 60)}".${near ? ` Did you mean "${near}"?` : ''}`, {
    help: `There are ${known.join(', ')}.`,
  });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? String(value)).slice(0, 60);
}
