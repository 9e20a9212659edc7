import type { ReadTable } from '@slipway/data';
import { Contract, type Frame, INPUT_ROLES, nearestName, takeRows } from '@slipway/kernel';
import { ROW_COUNT_MIN } from '@slipway/learning';
import { createRandom } from '@slipway/statistics';
import type { LaunchDefinition } from '../contract.ts';
import { LaunchInvalidError } from '../errors.ts';
import type { LaunchDeps } from '../launch-deps.ts';
import type { DatasetStep } from '../launch-state.ts';

export interface UnsupervisedRows {
  /** The label and what must not be learnt from are ignored in it. */
  readonly contract: Contract;
  readonly train: Frame;
  readonly test: Frame;
  /** Codes of the label on the test rows; -1 unknown. */
  readonly labels: Int32Array | undefined;
}

/** Parts of a definition that mean nothing without a target, and the flag that makes them. */
const NEEDS_TARGET = [
  'target',
  'positive',
  'task',
  'query',
  'loss',
  'monotone',
  'interactions',
  'objective',
  'forecast',
  'baseline',
  'mitigate',
] as const;
/** Options of one kind only. */
const OWN_OPTIONS = { clusters: 'cluster', components: 'reduce', contamination: 'anomaly' } as const;

/** Refuses what cannot be learnt from without a target, before it is stored. @throws {LaunchInvalidError} */
export async function requireUnsupervised(table: ReadTable, definition: LaunchDefinition, hasTestFile: boolean): Promise<void> {
  const { unsupervised } = definition;
  if (!unsupervised) return;
  const contradiction = NEEDS_TARGET.find((name) => definition[name] !== undefined && definition[name] !== '');
  if (contradiction !== undefined)
    throw refuse(
      contradiction,
      `A launch that looks for ${WANTED[unsupervised.task]} has no target, so "${contradiction}" means nothing.`,
      'Leave it out; a column for judging only is named with --label.',
    );
  if (definition.train.kind !== 'auto')
    throw refuse('train', `A launch that looks for ${WANTED[unsupervised.task]} chooses its own trainer.`);
  if (hasTestFile) throw refuse('test', 'Rows to judge by are split off when there is no target; leave out the test file.');
  for (const [option, task] of Object.entries(OWN_OPTIONS)) {
    if (unsupervised[option as keyof typeof OWN_OPTIONS] !== undefined && task !== unsupervised.task)
      throw refuse(option, `"${option}" belongs to --task ${task}, not to --task ${unsupervised.task}.`);
  }
  const { contract } = table;
  const names = [...contract.fields.map((field) => field.name), ...contract.ignored];
  const { label } = unsupervised;
  if (label !== undefined && !contract.fields.some((field) => field.name === label)) {
    const near = nearestName(label, names);
    throw refuse('label', `There is no column "${label}" (label).${near ? ` Did you mean "${near}"?` : ''}`);
  }
  const used = learningContract(contract, definition).fields.filter((field) => INPUT_ROLES.has(field.role));
  const [first] = used;
  if (!first) throw refuse('exclude', 'No column is left to learn from: every one is excluded, an identifier or ignored.');
  const { rowCount } = await table.loadFrame([first.name]);
  if (rowCount < 2 * ROW_COUNT_MIN)
    throw refuse('rows', `There are ${rowCount} rows; at least ${2 * ROW_COUNT_MIN} are needed to learn from some and judge by others.`);
}

const WANTED = { cluster: 'groups of rows', reduce: 'fewer columns', anomaly: 'anomalies' } as const;

function refuse(field: string, message: string, help?: string): LaunchInvalidError {
  return new LaunchInvalidError(message, { details: { field }, ...(help === undefined ? {} : { help }) });
}

function learningContract(contract: Contract, { unsupervised, exclude, group }: LaunchDefinition): Contract {
  const out = new Set([...exclude, ...[group, unsupervised?.label].filter((name) => name !== undefined)]);
  return Contract.parse({
    ...contract,
    fields: contract.fields.map((field) => (out.has(field.name) ? { ...field, role: 'ignored' } : field)),
  });
}

/** Loads and divides the rows; the same inputs give the same division. */
export async function unsupervisedRows(
  deps: LaunchDeps,
  project: string,
  { dataset }: DatasetStep,
  definition: LaunchDefinition,
): Promise<UnsupervisedRows> {
  const { meta } = await deps.data.dataset(project, dataset);
  const contract = await deps.data.loadContract(project, meta);
  const frame = await deps.data.loadFrame(project, meta);
  const { testRatio, seed } = definition.split;
  const order = createRandom(`unsupervised:${seed}`).shuffle(Int32Array.from({ length: frame.rowCount }, (_, row) => row));
  const testCount = Math.min(frame.rowCount - ROW_COUNT_MIN, Math.max(ROW_COUNT_MIN, Math.round(testRatio * frame.rowCount)));
  const test = order.slice(0, testCount).toSorted();
  const label = definition.unsupervised?.label;
  const codes = label === undefined ? undefined : codesOf(frame, label);
  return {
    contract: learningContract(contract, definition),
    train: takeRows(frame, order.slice(testCount).toSorted()),
    test: takeRows(frame, test),
    labels: codes && Int32Array.from(test, (row) => codes[row] as number),
  };
}

function codesOf(frame: Frame, name: string): Int32Array | undefined {
  const column = frame.columns.get(name);
  if (!column || column.kind === 'text') return column?.codes;
  const codes = new Map<number, number>();
  return Int32Array.from(column.values, (value) => {
    if (Number.isNaN(value)) return -1;
    const code = codes.get(value) ?? codes.size;
    codes.set(value, code);
    return code;
  });
}
