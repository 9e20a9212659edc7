import { type Contract, type Expectations, type Field, type FieldRole, Contract as ContractShape } from '@slipway/kernel';
import type { ColumnProfile, Profile } from './contract.ts';

/** Categories with more values than this are not listed in the contract. */
export const ALLOWED_VALUES_LIMIT = 1_000;
/** New data may have this many times the missing values seen, and this share more, before it is a warning. */
const MISSING_FACTOR = 2;
const MISSING_MARGIN = 0.05;

/** The contract that the data at hand suggests: to be read, edited and kept. Ranges and values are warnings, types and missing values are enforced. */
export function inferContract(
  profile: Profile,
  roles: ReadonlyMap<string, FieldRole>,
  values: ReadonlyMap<string, readonly string[]>,
): Contract {
  const fields = profile.columns.map((column): Field => {
    const role = roles.get(column.name) ?? 'ignored';
    return {
      name: column.name,
      type: column.type,
      role,
      // What is not used may be left out of calls and of later files.
      nullable: column.missing > 0 || role === 'ignored' || role === 'identifier',
      expect: expectations(column, role, profile.rows, values.get(column.name)),
      severity: 'warn',
    };
  });
  return ContractShape.parse({ format: 'slipway.contract/1', fields, ignored: [] });
}

function expectations(column: ColumnProfile, role: FieldRole, rows: number, values: readonly string[] | undefined): Expectations {
  if (role === 'ignored' || role === 'identifier') return {};
  const expect: Expectations = {};
  if (column.missing > 0) expect.missingRatioMax = Math.min(1, round(MISSING_FACTOR * (column.missing / rows) + MISSING_MARGIN));
  if (values) expect.allowedValues = [...values];
  else if (column.numbers && column.type !== 'boolean' && role !== 'categorical') {
    expect.minimum = column.numbers.minimum;
    expect.maximum = column.numbers.maximum;
  }
  return expect;
}

function round(ratio: number): number {
  return Math.round(ratio * 10_000) / 10_000;
}

/** Columns whose values the contract lists: categories, and a target of few texts, booleans or whole numbers. */
export function listsValues(column: ColumnProfile, role: FieldRole): boolean {
  if (column.distinct > ALLOWED_VALUES_LIMIT || column.type === 'boolean' || column.type === 'timestamp' || column.type === 'json')
    return false;
  if (role === 'categorical') return true;
  return role === 'target' && column.type === 'string';
}
