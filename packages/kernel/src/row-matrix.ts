import type { Contract, Row } from './contract.ts';

/**
 * The numbers of rows that came as one matrix: who checks or encodes such rows reads them here instead of looking each up by
 * its name (100 rows x 30, from the body to the model: 83 us instead of 232, `bench/open-inference/codec.ts`, 2026-11). The rows hold the
 * same and are complete without it.
 */
export interface RowMatrix {
  /** Names of the columns; the same list for all matrices of a kind, so that what is worked out about it can be kept. */
  readonly fields: readonly string[];
  readonly rowCount: number;
  /** Row-major [rowCount, fields]: numbers, booleans as 0 and 1, times in milliseconds; NaN where a row has null. Not to be changed. */
  readonly values: Float64Array;
}

interface Noted {
  readonly rows: readonly Row[];
  readonly matrix: RowMatrix;
}

/**
 * Where the first of the rows keeps it, out of sight of everything that goes through columns or copies a row. Something on each row
 * would cost more than it saves, and so does a weak map, by what the collector has to do for it (5 us a call, 2026-11).
 */
const NOTED = Symbol('slipway.rowMatrix');

interface FirstRow {
  readonly [NOTED]?: Noted;
}

/** Says that rows, which nobody changes afterwards, are those of a matrix. */
export function noteMatrix(rows: readonly Row[], matrix: RowMatrix): void {
  const [first] = rows;
  if (first === undefined || matrix.values.length !== rows.length * matrix.fields.length) return;
  Object.defineProperty(first, NOTED, { value: { rows, matrix } satisfies Noted, enumerable: false, configurable: true });
}

/** The matrix all of whose rows come next in a list of rows, from `at` on; undefined when these come from elsewhere. */
export function matrixAt(rows: readonly unknown[], at = 0): RowMatrix | undefined {
  const first: unknown = rows[at];
  const found = first === null || typeof first !== 'object' ? undefined : (first as FirstRow)[NOTED];
  if (!found || found.rows === rows) return found?.matrix;
  const { rows: all, matrix } = found;
  if (all.length > rows.length - at) return undefined;
  for (let index = 1; index < all.length; index += 1) if (all[index] !== rows[at + index]) return undefined;
  return matrix;
}

/** What a column must hold. */
interface ColumnRule {
  readonly position: number;
  readonly nullable: boolean;
  readonly isWhole: boolean;
  readonly minimum: number;
  readonly maximum: number;
}

/** Whether every row of a matrix keeps a contract. False means no more than that each row has to be looked at. */
export type MatrixCheck = (matrix: RowMatrix) => boolean;

/** Compiles a contract for whole matrices; what it says of a list of columns is worked out once. */
export function compileMatrixCheck(contract: Contract): MatrixCheck {
  const known = new Set([...contract.fields.map(({ name }) => name), ...contract.ignored]);
  const rules = new WeakMap<readonly string[], readonly ColumnRule[] | 'unknown'>();
  return ({ fields, rowCount, values }) => {
    let found = rules.get(fields);
    if (found === undefined) rules.set(fields, (found = rulesOf(contract, known, fields) ?? 'unknown'));
    return found !== 'unknown' && found.every((rule) => keeps(rule, values, rowCount, fields.length));
  };
}

/** Undefined where numbers alone cannot show that a row keeps the contract. */
function rulesOf({ fields }: Contract, known: ReadonlySet<string>, names: readonly string[]): readonly ColumnRule[] | undefined {
  if (!names.every((name) => known.has(name))) return undefined;
  const rules: ColumnRule[] = [];
  for (const field of fields) {
    const position = names.indexOf(field.name);
    const { nullable } = field;
    if (position < 0 && nullable) continue;
    const limits = LIMITS[field.type];
    const { allowedValues, minimum, maximum } = field.severity === 'error' ? field.expect : NOTHING;
    if (position < 0 || limits === undefined || allowedValues !== undefined) return undefined;
    rules.push({
      position,
      nullable,
      isWhole: limits.isWhole,
      minimum: Math.max(limits.minimum, minimum ?? Number.NEGATIVE_INFINITY),
      maximum: Math.min(limits.maximum, maximum ?? Number.POSITIVE_INFINITY),
    });
  }
  return rules;
}

const NOTHING: Contract['fields'][number]['expect'] = {};

interface TypeLimits {
  readonly isWhole: boolean;
  readonly minimum: number;
  readonly maximum: number;
}

/** Numbers of each type; texts and JSON are none. */
const LIMITS: Readonly<Partial<Record<Contract['fields'][number]['type'], TypeLimits>>> = {
  float64: { isWhole: false, minimum: -Number.MAX_VALUE, maximum: Number.MAX_VALUE },
  int64: { isWhole: true, minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER },
  boolean: { isWhole: true, minimum: 0, maximum: 1 },
  timestamp: { isWhole: true, minimum: -8.64e15, maximum: 8.64e15 },
};

function keeps(
  { position, nullable, isWhole, minimum, maximum }: ColumnRule,
  values: Float64Array,
  rowCount: number,
  width: number,
): boolean {
  for (let row = 0, at = position; row < rowCount; row += 1, at += width) {
    const value = values[at] as number;
    if (value >= minimum && value <= maximum && !(isWhole && value % 1 !== 0)) continue;
    // Only what is missing is no number.
    if (!nullable || !Number.isNaN(value)) return false;
  }
  return true;
}
