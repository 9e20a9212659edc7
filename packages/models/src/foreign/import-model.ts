import { type Contract, type Row, compileContract } from '@slipway/kernel';
import { ModelMetadata } from '../contract.ts';
import { type Engine, type Numbers, openEngine } from '../engine.ts';
import { InferenceError, ModelRefusedError, SignatureError } from '../errors.ts';
import { createEncoder, namedPlan } from '../input-plan.ts';
import { checkModel } from '../onnx/check.ts';
import { decodeModel, encodeModel } from '../onnx/codec.ts';
import type { ModelMessage } from '../onnx/messages.ts';
import type { ModelLimits } from '../onnx/scan.ts';
import { compileSample } from '../sample-rows.ts';
import { inputsOf } from '../signature.ts';
import { type Head, RAW_OUTPUT, adaptModel } from './adapt.ts';
import { type FoundAnswer, findAnswer } from './find-answer.ts';
import { PROBE_ROW_LIMIT, type ForeignOptions } from './options.ts';
import { type InputGroup, fieldsOf, planInputs } from './plan-inputs.ts';

/** A model made elsewhere in the form that the house serves: one graph from columns to the answer, and what it means. */
export interface ImportedModel {
  /** The derived graph. */
  readonly bytes: Uint8Array;
  readonly metadata: ModelMetadata;
  /** What was decided because nobody said it, in sentences. */
  readonly notes: readonly string[];
}

/** How far a row's answer may change with the company it is computed in, relative to max(1, |value|). */
const COMPANY_TOLERANCE = 1e-4;
const SUM_TOLERANCE = 1e-3;

/**
 * Reads, checks, adapts and tries a model made elsewhere. Runs its graph, so call it where a graph that never ends or eats
 * all memory does no harm: through `importModel`.
 * @param rows real rows to try it with, when there are any. @param columns those of the reference data.
 * @throws {ModelFormatError | ModelRefusedError | ModelTooLargeError | SignatureError}
 */
export async function importHere(
  bytes: Uint8Array,
  options: ForeignOptions,
  {
    rows = [],
    columns,
    limits = {},
  }: { readonly rows?: readonly Row[]; readonly columns?: readonly string[] | undefined; readonly limits?: Partial<ModelLimits> } = {},
): Promise<ImportedModel> {
  const model = decodeModel(bytes, limits);
  checkModel(model);
  const notes: string[] = [];
  const groups = planInputs(inputsOf(model), options, columns);
  const answer = findAnswer(model.graph, options.output);
  const draft = contractOf(groups, options, () => true);
  const sample = sampleOf(draft, rows);
  const tried = await tryRaw(model, groups, answer, options, draft, sample);
  const head = chooseHead(answer, tried.numbers, tried.width, options, notes);
  const classes = classesOf(answer, head, tried.width, options, notes);
  const derived = adaptModel(model, groups, { ...answer, classes: classes ?? undefined }, head);
  const derivedBytes = encodeModel(derived);
  const nullable = await nullableColumns(derivedBytes, groups, draft, sample, head);
  const metadata = metadataOf(model, options, contractOf(groups, options, nullable), classes, notes);
  return { bytes: derivedBytes, metadata, notes };
}

function contractOf(groups: readonly InputGroup[], options: ForeignOptions, nullable: (column: string) => boolean): Contract {
  return { format: 'slipway.contract/1', fields: fieldsOf(groups, options.as, nullable), ignored: [] };
}

function sampleOf(contract: Contract, rows: readonly Row[]): readonly Row[] {
  const names = contract.fields.map((field) => field.name);
  const given = rows.slice(0, PROBE_ROW_LIMIT).map((row) => Object.fromEntries(names.map((name) => [name, row[name] ?? null])));
  const usable = given.filter((row) => compileContract(contract).check([row]).length === 0 && names.every((name) => row[name] !== null));
  if (usable.length > 1) return usable;
  const plan = namedPlan([]);
  // Without missing values: whether those are answered is asked later, column by column.
  return compileSample(contract, plan, PROBE_ROW_LIMIT).map((row) =>
    Object.fromEntries(
      contract.fields.map((field) => [
        field.name,
        row[field.name] ?? (field.type === 'string' ? 'a' : field.type === 'boolean' ? false : 1),
      ]),
    ),
  );
}

interface Tried {
  readonly numbers: Numbers;
  /** Numbers a row. */
  readonly width: number;
}

/** Runs the bare answer over the sample, at once and row by row: a graph with a fixed batch would differ or fail. */
async function tryRaw(
  model: ModelMessage,
  groups: readonly InputGroup[],
  answer: FoundAnswer,
  options: ForeignOptions,
  contract: Contract,
  sample: readonly Row[],
): Promise<Tried> {
  const labels = options.classes ?? answer.classes;
  if (answer.kind === 'labels' && !labels) {
    throw new SignatureError(`The output "${answer.output}" is a label, and the graph does not say which labels there are.`, {
      help: 'Name them with --classes a,b,c.',
    });
  }
  const bytes = encodeModel(adaptModel(model, groups, answer, { kind: 'raw', labels }));
  const engine = await openEngine(bytes, planOf(contract));
  try {
    const single = await runRows(engine, contract, sample.slice(0, 1));
    const width = single.length;
    if (width === 0) throw new SignatureError(`The output "${answer.output}" is empty.`);
    const all = await runRows(engine, contract, sample).catch((error: unknown) => {
      throw new ModelRefusedError('The model answers one row and fails on several: its batch dimension is fixed.', {
        cause: error,
        help: DYNAMIC_HELP,
      });
    });
    if (all.length !== width * sample.length) {
      throw new ModelRefusedError(
        `The model gives ${all.length} numbers for ${sample.length} rows and ${width} for one: rows are not independent.`,
        {
          help: DYNAMIC_HELP,
        },
      );
    }
    await requireIndependent(engine, contract, sample, { numbers: all, width });
    return { numbers: all, width };
  } finally {
    await engine.close();
  }
}

const DYNAMIC_HELP = 'Export it with a free first dimension, e.g. torch.onnx.export(..., dynamic_axes={"x": {0: "batch"}}).';

async function requireIndependent(engine: Engine, contract: Contract, sample: readonly Row[], { numbers, width }: Tried): Promise<void> {
  for (const row of [0, 1, sample.length - 1].filter((at) => at < sample.length)) {
    const alone = await runRows(engine, contract, [sample[row] as Row]);
    for (let index = 0; index < width; index += 1) {
      const left = alone[index] as number;
      const right = numbers[row * width + index] as number;
      if (Object.is(left, right) || Math.abs(left - right) <= COMPANY_TOLERANCE * Math.max(1, Math.abs(left))) continue;
      throw new ModelRefusedError(
        `A row's answer depends on the rows that are asked with it (${left} alone, ${right} among ${sample.length}).`,
        {
          help: 'Export the model in inference mode (model.eval()), with a free first dimension.',
        },
      );
    }
  }
}

function planOf(contract: Contract) {
  return namedPlan(
    contract.fields.map((field) => ({
      name: field.name,
      elementType: field.type === 'string' ? ('string' as const) : ('double' as const),
      rank: 2 as const,
    })),
  );
}

async function runRows(engine: Engine, contract: Contract, rows: readonly Row[], output = RAW_OUTPUT): Promise<Numbers> {
  const [numbers] = await engine.run(createEncoder(planOf(contract), contract).encodeRows(rows), [output]);
  if (!numbers) throw new InferenceError('The model gave no answer.');
  return numbers;
}

/** What the numbers are: as asked, or as they look over the sample. */
function chooseHead(answer: FoundAnswer, numbers: Numbers, width: number, options: ForeignOptions, notes: string[]): Head {
  const { task, scores } = options;
  const isClassifier = task === undefined ? isClassification(answer, width, options) : task !== 'regression';
  if (!isClassifier) {
    if (width === 1) return { kind: 'value' };
    throw new SignatureError(`The output "${answer.output}" has ${width} numbers a row; a regression has one.`, {
      help: 'Say --task multiclass (and --classes) if they are scores of classes, or name another --output.',
    });
  }
  if (width === 1) {
    if (task === 'multiclass')
      throw new SignatureError(`The output "${answer.output}" has one number a row; several classes need one each.`);
    const looks = isWithin(numbers, 0, 1) ? 'probabilities' : 'logits';
    if (scores === undefined)
      notes.push(`"${answer.output}" looks like ${looks} of the second class and is read so; --scores says otherwise.`);
    return { kind: (scores ?? looks) === 'logits' ? 'logit' : 'probability' };
  }
  if (task === 'binary' && width !== 2)
    throw new SignatureError(`The output "${answer.output}" has ${width} numbers a row; a binary model has one or two.`);
  if (scores !== undefined) return { kind: scores };
  if (answer.kind === 'labels') {
    notes.push('The model gives labels without probabilities; the predicted one is given 1.');
    return { kind: 'probabilities' };
  }
  if (isShares(numbers, width)) return { kind: 'probabilities' };
  notes.push(`The numbers of "${answer.output}" are no probabilities; softmax makes them so. Order and label hold, calibration may not.`);
  return { kind: 'logits' };
}

function isClassification(answer: FoundAnswer, width: number, options: ForeignOptions): boolean {
  return options.classes !== undefined || width > 1 || answer.kind === 'labels' || (answer.isProbability && width === 1);
}

function isWithin(numbers: Numbers, low: number, high: number): boolean {
  return numbers.every((value) => Number.isNaN(value) || (value >= low - 1e-6 && value <= high + 1e-6));
}

function isShares(numbers: Numbers, width: number): boolean {
  if (!isWithin(numbers, 0, 1)) return false;
  for (let row = 0; row * width < numbers.length; row += 1) {
    let sum = 0;
    for (let at = row * width; at < (row + 1) * width; at += 1) sum += numbers[at] as number;
    if (!Number.isNaN(sum) && Math.abs(sum - 1) > SUM_TOLERANCE) return false;
  }
  return true;
}

function classesOf(answer: FoundAnswer, head: Head, width: number, options: ForeignOptions, notes: string[]): string[] | null {
  if (head.kind === 'value' || head.kind === 'raw') return null;
  const count = head.kind === 'probability' || head.kind === 'logit' ? 2 : width;
  const named = options.classes ?? answer.classes;
  if (options.classes && answer.kind === 'scores' && answer.classes && options.classes.length !== answer.classes.length) {
    throw new SignatureError(
      `${options.classes.length} classes are named; the graph has ${answer.classes.length}: ${answer.classes.slice(0, 8).join(', ')}.`,
    );
  }
  if (named && named.length !== count) {
    throw new SignatureError(`The output "${answer.output}" has scores of ${count} classes; ${named.length} are named.`, {
      details: { expected: count, got: named.length },
      help: 'Name one label for each score, in their order, with --classes a,b,c.',
    });
  }
  if (named) return [...named];
  notes.push(`The graph does not name its classes; they are called 0 to ${count - 1}. Name them with --classes.`);
  return Array.from({ length: count }, (_, index) => String(index));
}

/** Columns without whose value the graph still answers: numbers that may be NaN, texts that may be empty. */
async function nullableColumns(
  bytes: Uint8Array,
  groups: readonly InputGroup[],
  contract: Contract,
  sample: readonly Row[],
  head: Head,
): Promise<(column: string) => boolean> {
  const floating = new Set(groups.flatMap(({ elementType, columns }) => (FLOATING.has(elementType) ? columns : [])));
  const output = head.kind === 'value' ? 'prediction' : 'probabilities';
  const engine = await openEngine(bytes, planOf(contract));
  const answered = new Set<string>();
  try {
    for (const { name } of contract.fields.slice(0, NULL_PROBE_LIMIT)) {
      if (!floating.has(name)) continue;
      const rows = sample.slice(0, 4).map((row) => ({ ...row, [name]: null }));
      const numbers = await runRows(engine, contract, rows, output).catch(() => undefined);
      if (numbers?.every(Number.isFinite)) answered.add(name);
    }
  } finally {
    await engine.close();
  }
  return (column) => answered.has(column);
}

/** Whole numbers, booleans and texts have no value that means "missing" to a graph made elsewhere. */
const FLOATING: ReadonlySet<string> = new Set(['float', 'double', 'float16']);
const NULL_PROBE_LIMIT = 500;

function metadataOf(
  model: ModelMessage,
  options: ForeignOptions,
  contract: Contract,
  classes: string[] | null,
  notes: readonly string[],
): ModelMetadata {
  return ModelMetadata.parse({
    format: 'slipway.model/1',
    task: classes === null ? 'regression' : classes.length === 2 ? 'binary' : 'multiclass',
    target: options.target,
    classes,
    positive: classes?.length === 2 ? classes[1] : null,
    contract,
    features: [],
    trainer: 'imported',
    params: {},
    seed: 0,
    notes: {
      producer: [model.producerName, model.producerVersion]
        .filter((text) => text !== undefined && text !== '')
        .join(' ')
        .slice(0, 200),
      decided: [...notes],
    },
  });
}
