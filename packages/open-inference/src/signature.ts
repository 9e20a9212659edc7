import { type Contract, type Field, INPUT_ROLES, type Row, type Servable, columnKind } from '@slipway/kernel';
import type { Datatype } from './datatypes.ts';
import { rowTemplate } from './row-template.ts';

/** Rows vary: the first dimension of every tensor. */
const ROWS = -1;

/** One tensor of a model as its metadata shows it. */
export interface TensorMetadata {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly parameters?: Readonly<Record<string, string | boolean>>;
}

/** How an output tensor is made from the answers. */
export interface OutputPlan extends TensorMetadata {
  readonly source:
    | { readonly kind: 'field'; readonly field: Field }
    | { readonly kind: 'classes'; readonly field: string }
    | { readonly kind: 'invocation' };
  /** Labels in the order of a row's numbers. */
  readonly labels?: readonly string[];
}

/** The columns of one numeric matrix [rows, fields]. */
export interface MatrixColumns {
  readonly fields: readonly Field[];
  /** One list for all requests. */
  readonly names: readonly string[];
  readonly places: ReadonlyMap<string, number>;
  readonly template: Row;
}

/** What a servable takes and gives in tensors, from its contracts alone: nothing here knows a kind. */
export interface Signature {
  readonly inputs: readonly TensorMetadata[];
  readonly fields: ReadonlyMap<string, Field>;
  /** Further columns that callers may send; accepted and not looked at. */
  readonly ignored: ReadonlySet<string>;
  /** Its rows as one matrix of numbers; undefined when some field is no number. */
  readonly matrix: MatrixColumns | undefined;
  readonly outputs: readonly OutputPlan[];
}

const DATATYPES: Readonly<Record<Field['type'], Datatype>> = {
  float64: 'FP64',
  int64: 'INT64',
  boolean: 'BOOL',
  timestamp: 'INT64',
  string: 'BYTES',
  json: 'BYTES',
};

const compiled = new WeakMap<Servable, Signature>();

/** The signature of a servable, made once. */
export function signatureFor(servable: Servable): Signature {
  let signature = compiled.get(servable);
  if (!signature) compiled.set(servable, (signature = compileSignature(servable.input, servable.output)));
  return signature;
}

export function compileSignature(input: Contract, output: Contract): Signature {
  const shown = input.fields.filter((field) => INPUT_ROLES.has(field.role) || !field.nullable);
  return {
    inputs: shown.map(inputMetadata),
    fields: new Map(input.fields.map((field) => [field.name, field])),
    ignored: new Set(input.ignored),
    matrix: matrixOf(shown),
    outputs: [...output.fields.map((field) => outputPlan(field, output)), INVOCATION],
  };
}

function matrixOf(fields: readonly Field[]): MatrixColumns | undefined {
  if (fields.length === 0 || !fields.every((field) => columnKind(field) === 'number')) return undefined;
  const names = fields.map(({ name }) => name);
  return { fields, names, places: new Map(names.map((name, index) => [name, index])), template: rowTemplate(names) };
}

function inputMetadata(field: Field): TensorMetadata {
  const { name, nullable } = field;
  return { name, datatype: DATATYPES[field.type], shape: [ROWS, 1], ...(nullable ? { parameters: { optional: true } } : {}) };
}

/** Every answer's id, by which outcomes are reported later. */
const INVOCATION: OutputPlan = { name: 'invocation', datatype: 'BYTES', shape: [ROWS, 1], source: { kind: 'invocation' } };

/** A classifier's probabilities travel as numbers in the order of its classes, which its prediction's contract lists. */
function outputPlan(field: Field, output: Contract): OutputPlan {
  const { name } = field;
  const classes = output.fields.find((other) => other.name === 'prediction')?.expect.allowedValues;
  if (name === 'probabilities' && field.type === 'json' && classes !== undefined) {
    const shape = [ROWS, classes.length];
    const parameters = { labels: JSON.stringify(classes) };
    return { name, datatype: 'FP64', shape, parameters, labels: classes, source: { kind: 'classes', field: name } };
  }
  return { name, datatype: DATATYPES[field.type], shape: [ROWS, 1], source: { kind: 'field', field } };
}
