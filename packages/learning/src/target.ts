import { type Column, type Field, type Frame } from '@slipway/kernel';
import { TargetError } from './errors.ts';
import type { Task } from './fitted-model.ts';

/** Classes a classification may have; each costs a tree a round. */
export const CLASS_COUNT_LIMIT = 100;

/** A target ready for training. */
export interface PreparedTarget {
  readonly task: Task;
  /** Sorted labels, the positive one last when binary; null for regression. */
  readonly classes: readonly string[] | null;
  readonly positive: string | null;
  /** Class index or number of each of `rows`. */
  readonly target: Float64Array;
  /** Rows of the frame whose target is known, ascending. */
  readonly rows: Int32Array;
  readonly missingCount: number;
}

/** Labels that say "yes"; when exactly one of two classes is one of these, it is the positive class. */
const POSITIVE_LABELS: ReadonlySet<string> = new Set([
  '1',
  'yes',
  'y',
  'true',
  't',
  'positive',
  'pos',
  'churned',
  'fraud',
  'spam',
  'malignant',
  'default',
]);

/**
 * Encodes the target column. Text and booleans are classes; numbers are regression unless they have two distinct values
 * or `task` says otherwise. Class order: sorted by text, but the positive class last.
 * @throws {TargetError} when there is nothing to learn: absent, all missing, constant, too many classes, unknown positive.
 */
export function prepareTarget(
  frame: Frame,
  field: Field,
  options: { readonly task?: Task; readonly positive?: string } = {},
): PreparedTarget {
  const column = frame.columns.get(field.name);
  if (!column) throw new TargetError(`The target column "${field.name}" is not in the data.`, { details: { target: field.name } });
  const rows = knownRows(column, frame.rowCount);
  if (rows.length === 0)
    throw new TargetError(`The target column "${field.name}" has no value in any row.`, { details: { target: field.name } });
  const labels = distinctLabels(column, rows, field);
  if (labels.size < 2) {
    throw new TargetError(
      `The target column "${field.name}" has only one value (${JSON.stringify([...labels][0])}); there is nothing to learn.`,
      {
        details: { target: field.name, value: [...labels][0] ?? null },
        help: 'Choose another target, or give rows of every outcome.',
      },
    );
  }
  const task = options.task ?? inferTask(column, field, labels.size);
  const missingCount = frame.rowCount - rows.length;
  if (task === 'regression' || task === 'ranking')
    return { task, classes: null, positive: null, target: numbersOf(column, rows, field), rows, missingCount };
  const classes = orderClasses(field.name, [...labels], task, options.positive);
  const index = new Map(classes.map((label, position) => [label, position]));
  const target = Float64Array.from(rows, (row) => index.get(labelOf(column, row, field)) ?? Number.NaN);
  return { task, classes, positive: task === 'binary' ? (classes[1] ?? null) : null, target, rows, missingCount };
}

function knownRows(column: Column, rowCount: number): Int32Array {
  const rows: number[] = [];
  for (let row = 0; row < rowCount; row += 1) {
    const isKnown =
      column.kind === 'text'
        ? (column.codes[row] as number) >= 0 && column.levels[column.codes[row] as number] !== ''
        : !Number.isNaN(column.values[row]);
    if (isKnown) rows.push(row);
  }
  return Int32Array.from(rows);
}

/** Text of a class: booleans as true and false, numbers as ECMAScript prints them. */
function labelOf(column: Column, row: number, field: Field): string {
  if (column.kind === 'text') return column.levels[column.codes[row] as number] as string;
  const value = column.values[row] as number;
  return field.type === 'boolean' ? String(value === 1) : String(value);
}

/** Distinct labels; for numbers no more are collected than decide the task. */
function distinctLabels(column: Column, rows: Int32Array, field: Field): Set<string> {
  const labels = new Set<string>();
  for (const row of rows) {
    labels.add(labelOf(column, row, field));
    if (labels.size > CLASS_COUNT_LIMIT) break;
  }
  return labels;
}

function inferTask(column: Column, field: Field, labelCount: number): Task {
  if (labelCount === 2) return 'binary';
  return column.kind === 'text' || field.type === 'boolean' ? 'multiclass' : 'regression';
}

function numbersOf(column: Column, rows: Int32Array, field: Field): Float64Array {
  if (column.kind === 'text') {
    throw new TargetError(`The target column "${field.name}" holds text; a number cannot be predicted from it.`, {
      details: { target: field.name },
      help: 'Leave the task out, or make the column numeric.',
    });
  }
  const target = Float64Array.from(rows, (row) => column.values[row] as number);
  if (target.some((value) => !Number.isFinite(value)))
    throw new TargetError(`The target column "${field.name}" holds infinite values.`, { details: { target: field.name } });
  return target;
}

function orderClasses(name: string, labels: string[], task: Task, positive: string | undefined): string[] {
  if (labels.length > CLASS_COUNT_LIMIT) {
    throw new TargetError(`The target column "${name}" has more than ${CLASS_COUNT_LIMIT} classes.`, {
      details: { target: name, limit: CLASS_COUNT_LIMIT },
      help: 'Group the rare classes, or choose a numeric target.',
    });
  }
  const sorted = sortLabels(labels);
  if (positive !== undefined && !sorted.includes(positive)) {
    throw new TargetError(`The positive class ${JSON.stringify(positive)} does not occur in "${name}".`, {
      details: { target: name, positive, classes: sorted.slice(0, 10) },
      help: `Use one of ${sorted
        .slice(0, 10)
        .map((label) => JSON.stringify(label))
        .join(', ')}.`,
    });
  }
  if (task === 'binary' && sorted.length !== 2)
    throw new TargetError(`The target column "${name}" has ${sorted.length} classes, not two.`, { details: { target: name } });
  if (task !== 'binary') return sorted;
  const last = positive ?? likelyPositive(sorted);
  return [...sorted.filter((label) => label !== last), last];
}

/** Numbers by value, other labels by code unit. */
function sortLabels(labels: readonly string[]): string[] {
  const areNumbers = labels.every((label) => label.trim() !== '' && Number.isFinite(Number(label)));
  return labels.toSorted((left, right) => (areNumbers ? Number(left) - Number(right) : 0) || (left < right ? -1 : left > right ? 1 : 0));
}

function likelyPositive(sorted: readonly string[]): string {
  const said = sorted.filter((label) => POSITIVE_LABELS.has(label.toLowerCase()));
  return (said.length === 1 ? said[0] : sorted[sorted.length - 1]) as string;
}
