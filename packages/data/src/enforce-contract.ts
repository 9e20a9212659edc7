import { type Contract, type Field, PROBLEM_LIMIT, STRING_LENGTH_LIMIT } from '@slipway/kernel';
import type { ColumnProblem, Enforcement, Violation, ViolationCount } from './contract.ts';
import { type Session, quoteName, quoteText } from './engine.ts';
import { DataContractError } from './errors.ts';
import { numberSql } from './profile-table.ts';
import { isText } from './rows-hash.ts';

interface Rule {
  readonly field: Field;
  readonly rule: string;
  readonly severity: 'error' | 'warn';
  readonly expected: string;
  /** SQL that is true for a row that breaks the rule. */
  readonly broken: string;
  /** A rule about the column as a whole: a share, not rows. */
  readonly ratioMax?: number;
}

/** Rules counted in one scan. */
const BATCH_RULES = 64;
const LISTED_VALUES = 5;

/**
 * Checks every row of a canonical Parquet file against a contract: missing values (with the tolerated share), ranges,
 * allowed values, lengths and uniqueness. Rows count from 0 in the source's order.
 * @param columnProblems how the columns differ, found while reading.
 */
export async function enforceContract(
  session: Session,
  file: string,
  contract: Contract,
  columnProblems: readonly ColumnProblem[] = [],
): Promise<Enforcement> {
  const retyped = new Set(columnProblems.filter((problem) => problem.severity === 'error').map((problem) => problem.column));
  const from = `read_parquet(${quoteText(file)}, file_row_number = true)`;
  const present = new Set((await session.rows(`describe select * from ${from}`)).map((row) => String(row['column_name'])));
  const fields = contract.fields.filter((field) => present.has(field.name) && !retyped.has(field.name));
  const rules = fields.flatMap(rulesOf);
  const counts: ViolationCount[] = [];
  const broken: (Rule & { count: number })[] = [];
  for (let start = 0; start < rules.length; start += BATCH_RULES) {
    for (const found of await countBroken(session, from, rules.slice(start, start + BATCH_RULES))) {
      broken.push(found);
      counts.push({ field: found.field.name, rule: found.rule, severity: found.severity, count: found.count });
    }
  }
  for (const field of fields.filter((candidate) => candidate.expect.unique)) {
    const duplicates = await countDuplicates(session, from, field);
    if (duplicates === 0) continue;
    counts.push({ field: field.name, rule: 'unique', severity: field.severity, count: duplicates });
    broken.push({
      field,
      rule: 'unique',
      severity: field.severity,
      expected: 'a value that no other row has',
      broken: '',
      count: duplicates,
    });
  }
  const violations = await listViolations(session, from, broken);
  const ok = !counts.some((count) => count.severity === 'error') && !columnProblems.some((problem) => problem.severity === 'error');
  return { ok, columns: [...columnProblems], violations, counts };
}

function rulesOf(field: Field): Rule[] {
  const name = quoteName(field.name);
  const rules: Rule[] = [];
  const { missingRatioMax, minimum, maximum, allowedValues, lengthMax } = field.expect;
  const add = (rule: Omit<Rule, 'field'>) => rules.push({ field, ...rule });
  // As in calls: types, missing values and lengths are always enforced, the rest by severity.
  if (!field.nullable) add({ rule: 'missing', severity: 'error', expected: 'a value', broken: `${name} is null` });
  else if (missingRatioMax !== undefined) {
    const expected = `at most ${percent(missingRatioMax)} missing`;
    add({ rule: 'missing', severity: field.severity, expected, broken: `${name} is null`, ratioMax: missingRatioMax });
  }
  if (!isText(field.type)) {
    const number = numberSql(field);
    if (minimum !== undefined)
      add({ rule: 'minimum', severity: field.severity, expected: `at least ${minimum}`, broken: `${number} < ${numberLiteral(minimum)}` });
    if (maximum !== undefined)
      add({ rule: 'maximum', severity: field.severity, expected: `at most ${maximum}`, broken: `${number} > ${numberLiteral(maximum)}` });
  }
  if (allowedValues !== undefined) {
    const list = allowedValues.map(quoteText).join(', ');
    const shown = allowedValues.slice(0, LISTED_VALUES).join(', ');
    const expected = `one of ${shown}${allowedValues.length > LISTED_VALUES ? ', …' : ''}`;
    const outside = list === '' ? `${name} is not null` : `${name}::varchar not in (${list})`;
    add({ rule: 'allowed', severity: field.severity, expected, broken: outside });
  }
  if (isText(field.type)) {
    const limit = lengthMax ?? STRING_LENGTH_LIMIT;
    add({ rule: 'length', severity: 'error', expected: `at most ${limit} characters`, broken: `length(${name}) > ${limit}` });
  }
  return rules;
}

function numberLiteral(value: number): string {
  return `${value}::double`;
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 1_000) / 10} %`;
}

async function countBroken(session: Session, from: string, rules: readonly Rule[]): Promise<(Rule & { count: number })[]> {
  if (rules.length === 0) return [];
  const list = rules.map((rule, index) => `(count(*) filter (${rule.broken}))::double as r${index}`).join(', ');
  const [row] = await session.rows(`select ${list}, count(*)::double as total from ${from}`);
  const total = Number(row?.['total'] ?? 0);
  return rules.flatMap((rule, index) => {
    const count = Number(row?.[`r${index}`] ?? 0);
    return count > 0 && (rule.ratioMax === undefined || count > rule.ratioMax * total) ? [{ ...rule, count }] : [];
  });
}

async function countDuplicates(session: Session, from: string, field: Field): Promise<number> {
  const name = quoteName(field.name);
  const [row] = await session.rows(`select (count(${name}) - count(distinct ${name}))::double as n from ${from}`);
  return Number(row?.['n'] ?? 0);
}

async function listViolations(session: Session, from: string, broken: readonly (Rule & { count: number })[]): Promise<Violation[]> {
  const ordered = broken.toSorted((left, right) => (left.severity === right.severity ? 0 : left.severity === 'error' ? -1 : 1));
  // Each broken rule shows some rows, so that one loud column does not hide the others.
  const share = Math.max(3, Math.floor(PROBLEM_LIMIT / Math.max(1, ordered.length)));
  const violations: Violation[] = [];
  for (const rule of ordered) {
    if (violations.length >= PROBLEM_LIMIT) break;
    const limit = Math.min(share, PROBLEM_LIMIT - violations.length);
    const name = quoteName(rule.field.name);
    const source =
      rule.rule === 'unique'
        ? `(select *, row_number() over (partition by ${name} order by file_row_number) as seen from ${from} where ${name} is not null) where seen > 1`
        : `${from} where ${rule.broken}`;
    const rows = await session.rows(
      `select file_row_number::double as row, ${name}::varchar as got from ${source} order by 1 limit ${limit}`,
    );
    for (const row of rows) {
      const got = row['got'] === null ? 'nothing' : JSON.stringify(String(row['got']).slice(0, 60));
      violations.push({ row: Number(row['row']), field: rule.field.name, rule: rule.rule, expected: rule.expected, got });
    }
  }
  return violations;
}

/** @throws {DataContractError} naming the broken columns and rules, unless only warnings were found. */
export function requireContract(enforcement: Enforcement): void {
  if (enforcement.ok) return;
  const columns = enforcement.columns.filter((problem) => problem.severity === 'error');
  const counts = enforcement.counts.filter((count) => count.severity === 'error');
  const parts = [
    ...columns.map(({ column, problem, expected, got }) => `column "${column}" is ${problem} (expected ${expected}, got ${got})`),
    ...counts.map(({ field, rule, count }) => {
      const first = enforcement.violations.find((violation) => violation.field === field && violation.rule === rule);
      return `"${field}" breaks "${rule}" in ${count} ${count === 1 ? 'row' : 'rows'}${first ? ` (first: row ${first.row}, ${first.got}, expected ${first.expected})` : ''}`;
    }),
  ];
  const shown = parts.slice(0, 5).join('; ');
  throw new DataContractError(`The data break their contract: ${shown}${parts.length > 5 ? `; and ${parts.length - 5} more` : ''}.`, {
    details: { columns: enforcement.columns, violations: enforcement.violations, counts: enforcement.counts },
    help: 'Mend the rows, or change the contract if the new values are right.',
  });
}
