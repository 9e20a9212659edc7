import type { Field, FieldRole, FieldType } from '@slipway/kernel';
import { ModelRefusedError, SignatureError } from '../errors.ts';
import type { ElementType } from '../onnx/schema.ts';
import type { TensorSignature } from '../signature.ts';
import { ADDED_PREFIX, GIVEN_PREFIX } from './namespace.ts';
import { FOREIGN_COLUMN_LIMIT, type ForeignOptions } from './options.ts';

/** One input of the given graph, and the columns that become it. */
export interface InputGroup {
  readonly input: string;
  readonly elementType: ElementType;
  /** Sizes behind the first dimension: [] for [N], [1] for a column, [3, 4] for a small matrix a row. */
  readonly shape: readonly number[];
  readonly columns: readonly string[];
}

const NUMBERS: ReadonlySet<ElementType> = new Set([
  'double',
  'float',
  'float16',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'bool',
]);
/** Names that answers and the graph itself use. */
const TAKEN: ReadonlySet<string> = new Set(['probabilities', 'prediction', 'features']);

/**
 * Which columns each input takes: an input of one column is that column; one that takes several takes the named ones in
 * their order, those of the reference data, or numbered ones.
 * @param reference columns of the reference data that a model may take, in their order.
 * @throws {SignatureError | ModelRefusedError} saying what to name or to export otherwise.
 */
export function planInputs(
  inputs: readonly TensorSignature[],
  options: Pick<ForeignOptions, 'columns'>,
  reference?: readonly string[],
): InputGroup[] {
  if (inputs.length === 0) throw new SignatureError('The graph has no inputs.');
  const wide = inputs.filter((input) => !isColumn(input));
  if (options.columns && wide.length > 1) {
    throw new SignatureError(
      `${wide.length} inputs take several columns (${wide.map(({ name }) => name).join(', ')}); names can be given for one.`,
      {
        help: 'Leave the names out: columns are then numbered, like x_0, x_1.',
      },
    );
  }
  const groups = inputs.map((input) =>
    groupOf(input, options.columns ?? (wide.length === 1 ? reference : undefined), options.columns === undefined),
  );
  const names = groups.flatMap((group) => group.columns);
  if (names.length > FOREIGN_COLUMN_LIMIT) {
    throw new ModelRefusedError(`The model takes ${names.length} numbers a row; at most ${FOREIGN_COLUMN_LIMIT} are supported.`, {
      details: { columns: names.length, limit: FOREIGN_COLUMN_LIMIT },
      help: 'Models of images and long signals are not served yet.',
    });
  }
  checkNames(names);
  return groups;
}

function isColumn({ shape }: TensorSignature): boolean {
  return shape.length === 1 || (shape.length > 1 && shape.slice(1).every((size) => size === 1));
}

function groupOf(input: TensorSignature, columns: readonly string[] | undefined, fromReference: boolean): InputGroup {
  const { name, elementType, shape } = input;
  if (elementType !== 'string' && !NUMBERS.has(elementType)) {
    throw new SignatureError(`The input "${name}" is ${elementType}, which no column can become.`);
  }
  if (shape.length === 0) {
    throw new SignatureError(`The input "${name}" is one value for the whole call, not one a row.`, {
      help: 'Export the model with that value fixed.',
    });
  }
  if (isColumn(input)) return { input: name, elementType, shape: shape.slice(1).map(() => 1), columns: [name] };
  const rest = fixedSizes(input, columns?.length);
  const width = rest.reduce((product, size) => product * size, 1);
  if (columns && columns.length !== width) {
    const named = fromReference ? 'the reference data have' : 'named are';
    throw new SignatureError(
      `The input "${name}" takes ${width} columns; ${named} ${columns.length} (${columns.slice(0, 8).join(', ')}${columns.length > 8 ? ', …' : ''}).`,
      {
        details: { input: name, expected: width, got: columns.length },
        help: `Name ${width} columns in the order of training with --columns a,b,c.`,
      },
    );
  }
  if (width > FOREIGN_COLUMN_LIMIT) return { input: name, elementType, shape: rest, columns: Array.from({ length: width }, () => name) };
  return { input: name, elementType, shape: rest, columns: columns ?? Array.from({ length: width }, (_, index) => `${name}_${index}`) };
}

/** Sizes behind the rows; the only free one is told by the number of named columns. */
function fixedSizes({ name, shape }: TensorSignature, named: number | undefined): number[] {
  const rest = shape.slice(1);
  const free = rest.filter((size) => size === null).length;
  const known = rest.reduce<number>((product, size) => product * (size ?? 1), 1);
  const missing = named === undefined ? undefined : named / known;
  if (free === 0) return rest as number[];
  if (free === 1 && missing !== undefined && Number.isInteger(missing)) return rest.map((size) => size ?? missing);
  throw new SignatureError(
    `The graph does not say how many columns the input "${name}" takes (its shape is [${shape.map((size) => size ?? '?').join(', ')}]).`,
    {
      details: { input: name },
      help: 'Name them in the order of training with --columns a,b,c, or give --reference with exactly those columns.',
    },
  );
}

function checkNames(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (
      TAKEN.has(name) ||
      name.startsWith(GIVEN_PREFIX) ||
      name.startsWith(ADDED_PREFIX) ||
      name.startsWith('slipway:') ||
      name === '__proto__'
    ) {
      throw new SignatureError(`A column cannot be called "${name}".`, {
        details: { column: name },
        help: 'Name the columns with --columns a,b,c.',
      });
    }
    if (seen.has(name)) throw new SignatureError(`The column "${name}" is named twice.`, { details: { column: name } });
    seen.add(name);
  }
}

/** The fields of the contract: what callers send. `nullable` says for which columns the graph answers without a value. */
export function fieldsOf(groups: readonly InputGroup[], as: ForeignOptions['as'], nullable: (column: string) => boolean): Field[] {
  const names = new Set(groups.flatMap((group) => group.columns));
  for (const column of Object.keys(as)) {
    if (!names.has(column)) throw new SignatureError(`--as names "${column}", which the model does not take.`, { details: { column } });
  }
  return groups.flatMap(({ elementType, columns }) =>
    columns.map((name): Field => ({
      name,
      type: typeOf(elementType),
      role: roleOf(name, elementType, as[name]),
      nullable: nullable(name),
      expect: {},
      severity: 'warn',
    })),
  );
}

function typeOf(elementType: ElementType): FieldType {
  if (elementType === 'string') return 'string';
  if (elementType === 'bool') return 'boolean';
  return elementType === 'double' || elementType === 'float' || elementType === 'float16' ? 'float64' : 'int64';
}

const TEXT_ROLES: ReadonlySet<FieldRole> = new Set(['categorical', 'text']);

function roleOf(name: string, elementType: ElementType, wanted: FieldRole | undefined): FieldRole {
  const isText = elementType === 'string';
  if (wanted === undefined) return isText ? 'categorical' : elementType === 'bool' ? 'boolean' : 'numeric';
  if (isText ? TEXT_ROLES.has(wanted) : wanted === 'numeric' || wanted === 'boolean') return wanted;
  throw new SignatureError(`The input "${name}" is ${elementType}; its role cannot be "${wanted}".`, {
    details: { column: name, role: wanted },
  });
}
