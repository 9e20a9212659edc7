import { type Data, type ReadTable, planSplit } from '@slipway/data';
import { SPLIT_LEAKS, findCopies } from '@slipway/evaluation';
import { type Column, Contract, type Field, type Frame, INPUT_ROLES, cell, nearestName, takeRows } from '@slipway/kernel';
import { NoFeatureError, type PreparedTarget, checkRules, type Task, prepareTarget, requireTrainable } from '@slipway/learning';
import type { LaunchDefinition } from './contract.ts';
import { LaunchInvalidError } from './errors.ts';
import { requireMitigable } from './evidence/require-mitigable.ts';
import { keepCopiesTogether } from './evidence/keep-copies-together.ts';
import { requireUnsupervised } from './unsupervised/unsupervised-data.ts';
import { requireForecastable } from './forecast/forecast-data.ts';

/** Rows with their target: class codes, or numbers for a regression. */
export interface LabelledRows {
  readonly frame: Frame;
  readonly target: Float64Array;
  /** Where each row stands in its file, from 0. */
  readonly positions?: Int32Array | undefined;
  /** Ranking: the query of each row. */
  readonly queries?: Int32Array;
}

/** Everything training and evaluation read, ready in memory. */
export interface PreparedData {
  readonly contract: Contract;
  readonly task: Task;
  readonly classes: readonly string[] | null;
  readonly positive: string | null;
  readonly train: LabelledRows;
  readonly test: LabelledRows;
  /** `together`: rows that were moved so that copies lie on one side; only where there were any. */
  readonly split: { readonly strategy: string; readonly testRatio: number; readonly seed: number; readonly together?: number };
  readonly notes: readonly { column: string; note: string }[];
}

export interface DatasetRefs {
  readonly dataset: string;
  readonly testDataset: string | null;
}

/** Integer targets that count 0, 1, 2 … or 1, 2, 3 … up to this many are classes rather than amounts. */
const INTEGER_CLASSES_LIMIT = 10;

/** Loads the dataset versions of a launch, encodes the target and divides the rows. The same inputs give the same rows. */
export async function prepareData(data: Data, project: string, refs: DatasetRefs, definition: LaunchDefinition): Promise<PreparedData> {
  const { meta } = await data.dataset(project, refs.dataset);
  const contract = await data.loadContract(project, meta);
  const field = targetField(contract, definition.target);
  const frame = await data.loadFrame(project, meta);
  const { target, note } = encodeTarget(frame, field, definition);
  const notes = [note, unlikeLabels(target.classes)].flatMap((each) => (each === undefined ? [] : [{ column: field.name, note: each }]));
  if (target.missingCount > 0) notes.push({ column: field.name, note: `${target.missingCount} rows without a target were left out` });
  const common = { contract, task: target.task, classes: target.classes, positive: target.positive };
  if (refs.testDataset !== null) {
    const test = await loadTestRows(data, project, refs.testDataset, field, target);
    const split = { strategy: 'given', testRatio: definition.split.testRatio, seed: definition.split.seed };
    return { ...common, train: withQueries(labelled(frame, target), definition), test: withQueries(test, definition), split, notes };
  }
  const divided = splitRows(frame, target, definition, contract);
  const { together } = divided.split;
  if (together !== undefined) {
    notes.push({ column: '', note: `${together} rows are copies of each other in every input; copies were kept on one side of the split` });
  }
  return { ...common, ...divided, notes };
}

/**
 * Refuses a table that no model could be made from, before it is stored: by the few columns that decide it.
 * @throws {LaunchInvalidError} for a name that is no column, and what target, split and trainer refuse.
 */
export async function requireLearnable(table: ReadTable, definition: LaunchDefinition, hasTestFile: boolean): Promise<void> {
  if (definition.unsupervised) return requireUnsupervised(table, definition, hasTestFile);
  if (definition.forecast) return requireForecastable(table, definition, hasTestFile);
  const { contract } = table;
  const field = targetField(contract, definition.target);
  requireNames(contract, definition);
  requireInputs(contract, definition);
  const deciding = [definition.target, definition.group, definition.query, definition.time].filter((name) => name !== undefined);
  const frame = await table.loadFrame([...new Set(deciding)]);
  const { target } = encodeTarget(frame, field, definition);
  const train = hasTestFile ? withQueries(labelled(frame, target), definition) : splitRows(frame, target, definition).train;
  requireTrainable({ target: train.target, classes: target.classes, task: target.task });
  requireFitting(contract, definition, target);
}

/**
 * What a definition asks of columns and task, whether the table is new or known: a name that is no column would silently do
 * nothing. @throws {LaunchInvalidError} naming the part of the definition.
 */
export function requireAsked(contract: Contract, definition: LaunchDefinition, found: Pick<PreparedTarget, 'task' | 'classes'>): void {
  requireNames(contract, definition);
  requireFitting(contract, definition, found);
}

function requireNames(contract: Contract, definition: LaunchDefinition): void {
  requireColumns(contract, definition);
  requireOrder(contract, definition);
  requireQuery(definition);
}

function requireFitting(
  contract: Contract,
  definition: LaunchDefinition,
  { task, classes }: Pick<PreparedTarget, 'task' | 'classes'>,
): void {
  requireRules(definition, contract, classes);
  requireObjective(definition, task);
  requireMitigable(definition, task);
}

/** Rules that name other columns or classes than the data has are refused before the data is stored. @throws {RuleError} */
function requireRules(definition: LaunchDefinition, contract: Contract, classes: readonly string[] | null): void {
  const { train: trainer, baseline, target, group, query, exclude } = definition;
  const leftOut = [...exclude, ...[group, query].filter((name) => name !== undefined)];
  for (const each of [trainer, baseline]) {
    if (each?.kind === 'rules') checkRules(each.params, trainingContract(contract, target, leftOut), classes);
  }
}

/** Costs of decisions need two classes, costs of errors a number. */
function requireObjective({ objective, target }: LaunchDefinition, task: Task): void {
  const wanted = objective?.costs ? 'binary' : objective?.costPerUnitError ? 'regression' : task;
  if (wanted === task) return;
  throw new LaunchInvalidError(
    `The objective has costs for ${wanted === 'binary' ? 'decisions between two classes' : 'errors of a number'}, but "${target}" is a ${task} target.`,
    {
      details: { field: 'objective', task },
      help: wanted === 'binary' ? 'Use "costPerUnitError" for a number.' : 'Use "costs" for two classes.',
    },
  );
}

/** The lists of columns that ingestion does not look at: a wrong name there would silently do nothing. */
function requireColumns(
  contract: Contract,
  { target, sensitive, immutable, acceptLeak, query, monitor, monotone = {}, interactions = [] }: LaunchDefinition,
): void {
  const names = [...contract.fields.map((field) => field.name), ...contract.ignored];
  const judged = {
    sensitive,
    query: query === undefined ? [] : [query],
    monotone: Object.keys(monotone),
    interactions: interactions.flat(),
  };
  const wrong = Object.entries(judged).find(([, wanted]) => wanted.includes(target));
  if (wrong) {
    throw new LaunchInvalidError(`"${target}" is the target; it cannot be named as ${wrong[0]} too.`, {
      details: { field: wrong[0], column: target },
      help: `Leave "${target}" out of ${wrong[0]}, or choose another target.`,
    });
  }
  for (const [field, wanted] of Object.entries({
    ...judged,
    immutable,
    'monitor.groups': monitor?.groups ?? [],
    // Findings about the split are accepted by their own names.
    acceptLeak: acceptLeak.filter((name) => !(SPLIT_LEAKS as readonly string[]).includes(name)),
  })) {
    const unknown = wanted.find((name) => !names.includes(name));
    if (unknown !== undefined) throw unknownColumn(unknown, field, names);
  }
}

/** Only a number that is learnt from has a direction. */
function requireOrder(contract: Contract, { monotone = {}, interactions = [], exclude, query, group }: LaunchDefinition): void {
  const unused = [...exclude, ...(query === undefined ? [] : [query]), ...(group === undefined ? [] : [group])];
  for (const [field, columns] of Object.entries({ monotone: Object.keys(monotone), interactions: interactions.flat() })) {
    const left = columns.find((name) => unused.includes(name));
    if (left === undefined) continue;
    throw new LaunchInvalidError(`"${left}" is named as ${field}, but the model does not learn from it.`, {
      details: { field, column: left },
      help: 'Leave it out of one of the two: it is also an excluded, group or query column.',
    });
  }
  const unordered = contract.fields.find(
    (field) => Object.hasOwn(monotone, field.name) && field.role !== 'numeric' && field.role !== 'boolean',
  );
  if (!unordered) return;
  throw new LaunchInvalidError(
    `The column "${unordered.name}" cannot be monotone: it is read as ${unordered.role}, and only numbers have a direction.`,
    {
      details: { field: 'monotone', column: unordered.name, role: unordered.role },
      help: `Leave it out of the monotone columns, or read it as a number (--as ${unordered.name}=numeric).`,
    },
  );
}

function requireInputs(contract: Contract, { target, group, query, exclude }: LaunchDefinition): void {
  const unused = new Set([target, group, query, ...exclude]);
  if (contract.fields.some((field) => INPUT_ROLES.has(field.role) && !unused.has(field.name))) return;
  const others = contract.fields.filter((field) => field.name !== target);
  const named = others.slice(0, REASONS_SHOWN).map((field) => `"${field.name}" ${whyUnused(field, unused)}`);
  const more = others.length > named.length ? `, and ${others.length - named.length} more` : '';
  throw new NoFeatureError(`No column is left to learn "${target}" from${named.length > 0 ? `: ${named.join(', ')}${more}` : ''}.`, {
    help: 'Give more columns or rows, or check their roles, for example with --as column=numeric or --as column=categorical.',
  });
}

const REASONS_SHOWN = 6;

function whyUnused({ name, role }: Field, unused: ReadonlySet<string | undefined>): string {
  if (unused.has(name)) return 'is left out on request';
  return role === 'identifier' ? 'identifies rows' : 'has no values, one value, or objects';
}

function encodeTarget(frame: Frame, field: Field, definition: LaunchDefinition): { target: PreparedTarget; note: string | undefined } {
  const { task, note } = taskOf(frame, field, definition);
  const target = prepareTarget(frame, field, {
    ...(task ? { task } : {}),
    ...(definition.positive === undefined ? {} : { positive: definition.positive }),
  });
  return { target, note };
}

/** Labels that a person would read as one: the model takes each for a class of its own. */
export function unlikeLabels(classes: readonly string[] | null): string | undefined {
  const spellings = Map.groupBy(classes ?? [], (label) => label.trim().toLowerCase().replaceAll(/\s+/g, ' '));
  const repeated = [...spellings.values()].filter((labels) => labels.length > 1);
  if (repeated.length === 0) return undefined;
  const shown = repeated.slice(0, 3).map((labels) => labels.map((label) => JSON.stringify(label)).join(', '));
  return `labels that differ only in case or blanks count as different classes: ${shown.join('; ')}${repeated.length > 3 ? '; …' : ''}; write them alike if they mean the same`;
}

function targetField(contract: Contract, name: string): Field {
  const field = contract.fields.find((each) => each.name === name);
  if (field) return field;
  throw unknownColumn(
    name,
    'target',
    contract.fields.map((each) => each.name),
  );
}

function unknownColumn(name: string, field: string, names: readonly string[]): LaunchInvalidError {
  const near = nearestName(name, names);
  return new LaunchInvalidError(`There is no column "${name}" (${field}).${near ? ` Did you mean "${near}"?` : ''}`, {
    details: { field, got: name, columns: names.slice(0, 100) },
    help: `The columns are: ${names.slice(0, 20).join(', ')}.`,
  });
}

/** What the definition says, or what an integer target looks like; undefined leaves it to the target's own rule. */
function taskOf(frame: Frame, field: Field, definition: LaunchDefinition): { task?: Task; note?: string } {
  if (definition.task !== undefined) return { task: definition.task };
  if (definition.query !== undefined || definition.loss?.kind === 'lambdarank') return { task: 'ranking' };
  if (definition.loss !== undefined) return { task: 'regression' };
  const role = definition.as[field.name];
  const column = frame.columns.get(field.name);
  if (role === 'numeric') return { task: 'regression' };
  if (field.type === 'timestamp') return { note: 'its times are predicted as milliseconds since 1970; days until then may say more' };
  if (column?.kind !== 'number') return {};
  const distinct = new Set<number>();
  for (const value of column.values) {
    if (!Number.isNaN(value)) distinct.add(value);
    if (distinct.size > INTEGER_CLASSES_LIMIT && role !== 'categorical') return {};
  }
  if (role === 'categorical') return { task: distinct.size === 2 ? 'binary' : 'multiclass' };
  const sorted = [...distinct].toSorted((left, right) => left - right);
  const first = sorted[0] ?? Number.NaN;
  const counts = (first === 0 || first === 1) && sorted.every((value, index) => value === first + index);
  if (!counts || sorted.length < 3) return {};
  return {
    task: 'multiclass',
    note: `its ${sorted.length} whole numbers from ${first} are taken as classes; --as ${field.name}=numeric predicts an amount`,
  };
}

function labelled(frame: Frame, target: PreparedTarget): LabelledRows {
  return {
    frame: target.rows.length === frame.rowCount ? frame : takeRows(frame, target.rows),
    target: target.target,
    positions: Int32Array.from(target.rows),
  };
}

/** @param contract when given, copies of a row are kept on one side of a random split. */
function splitRows(
  frame: Frame,
  target: PreparedTarget,
  definition: LaunchDefinition,
  contract?: Contract,
): Pick<PreparedData, 'train' | 'test' | 'split'> {
  const { testRatio, seed } = definition.split;
  const asked = definition.split.strategy;
  const group = definition.group ?? definition.query;
  const strategy = asked !== 'auto' ? asked : group !== undefined ? 'group' : definition.time !== undefined ? 'time' : 'stratified';
  const { task } = target;
  const planned = planSplit({
    frame,
    target: definition.target,
    task,
    strategy,
    testRatio,
    seed,
    group,
    time: definition.time,
  });
  const split = {
    ...planned,
    moved: 0,
    ...(contract && strategy !== 'group' && strategy !== 'time' ? together(frame, planned, definition, contract) : {}),
  };
  const positionOf = new Map<number, number>();
  target.rows.forEach((row, position) => positionOf.set(row, position));
  const side = (rows: Int32Array): LabelledRows =>
    withQueries(
      {
        frame: takeRows(frame, rows),
        target: Float64Array.from(rows, (row) => target.target[positionOf.get(row) ?? -1] ?? Number.NaN),
        positions: rows,
      },
      definition,
    );
  return {
    train: side(split.train),
    test: side(split.test),
    split: { strategy, testRatio, seed, ...(split.moved > 0 ? { together: split.moved } : {}) },
  };
}

function together(
  frame: Frame,
  split: { readonly train: Int32Array; readonly test: Int32Array },
  definition: LaunchDefinition,
  contract: Contract,
) {
  const unused = new Set([definition.target, ...definition.exclude]);
  const inputs = contract.fields.filter((field) => INPUT_ROLES.has(field.role) && !unused.has(field.name)).map((field) => field.name);
  const kept = keepCopiesTogether(split, findCopies(frame, inputs));
  // A table that is nearly all copies may leave a side without rows; then it stays as it was divided.
  return kept.moved > 0 && kept.test.length >= split.test.length / 2 && kept.train.length >= split.train.length / 2 ? kept : {};
}

async function loadTestRows(data: Data, project: string, reference: string, field: Field, target: PreparedTarget): Promise<LabelledRows> {
  const { meta } = await data.dataset(project, reference);
  const frame = await data.loadFrame(project, meta);
  const column = frame.columns.get(field.name);
  if (!column)
    throw new LaunchInvalidError(`The test file has no column "${field.name}".`, { details: { field: 'test', column: field.name } });
  const { rows, values } = target.classes ? codesOf(column, frame.rowCount, field, target.classes) : numbersOf(column, frame.rowCount);
  if (rows.length < 2)
    throw new LaunchInvalidError(`The test file has ${rows.length} rows with a target; at least 2 are needed.`, {
      details: { field: 'test' },
    });
  return { frame: takeRows(frame, rows), target: Float64Array.from(values), positions: Int32Array.from(rows) };
}

function codesOf(column: Column, rowCount: number, field: Field, classes: readonly string[]): { rows: number[]; values: number[] } {
  const codes = new Map(classes.map((label, code) => [label, code]));
  const rows: number[] = [];
  const values: number[] = [];
  for (let row = 0; row < rowCount; row += 1) {
    const value = cell(column, row);
    if (value === null) continue;
    const label = field.type === 'boolean' ? String(value === 1) : String(value);
    const code = codes.get(label);
    if (code === undefined) {
      throw new LaunchInvalidError(
        `Row ${row + 1} of the test file has the label "${label.slice(0, 60)}", which the training data does not know.`,
        {
          details: { field: 'test', row, label: label.slice(0, 60), classes: classes.slice(0, 20) },
        },
      );
    }
    rows.push(row);
    values.push(code);
  }
  return { rows, values };
}

function numbersOf(column: Column, rowCount: number): { rows: number[]; values: number[] } {
  if (column.kind !== 'number')
    throw new LaunchInvalidError('The target of the test file is not a number.', { details: { field: 'test' } });
  const rows = Array.from({ length: rowCount }, (_, row) => row).filter((row) => !Number.isNaN(column.values[row]));
  return { rows, values: rows.map((row) => column.values[row] as number) };
}

/** A ranking needs its queries, and only a ranking has them. @throws {LaunchInvalidError} */
function requireQuery({ task, query, loss }: LaunchDefinition): void {
  const isRanking = task === 'ranking' || loss?.kind === 'lambdarank';
  if (isRanking && query === undefined) {
    throw new LaunchInvalidError('A ranking needs the column that says which rows compete.', {
      details: { field: 'query' },
      help: 'Name it with --query COLUMN.',
    });
  }
  if (query !== undefined && task !== undefined && task !== 'ranking') {
    throw new LaunchInvalidError(`The task is ${task}; only a ranking has a query column.`, { details: { field: 'query', task } });
  }
}

/** Adds the query of each row; rows without one are a query of their own each. */
function withQueries(rows: LabelledRows, { query }: LaunchDefinition): LabelledRows {
  const column = query === undefined ? undefined : rows.frame.columns.get(query);
  if (!column) return rows;
  const codes = new Map<string | number, number>();
  const queries = Int32Array.from({ length: rows.frame.rowCount }, (_, row) => {
    const value = cell(column, row);
    if (value === null) return -1 - row;
    const code = codes.get(value as string | number) ?? codes.size;
    codes.set(value as string | number, code);
    return code;
  });
  return { ...rows, queries };
}

/** The contract as a trainer sees it: columns that must not be learnt from are ignored. */
export function trainingContract(contract: Contract, target: string, leftOut: readonly string[]): Contract {
  const out = new Set(leftOut);
  return Contract.parse({
    ...contract,
    fields: contract.fields.map((field) =>
      out.has(field.name) ? { ...field, role: 'ignored' } : field.name === target ? { ...field, role: 'target' } : field,
    ),
  });
}
