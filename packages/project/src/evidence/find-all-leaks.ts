import { hasIdName } from '@slipway/data';
import { type Leak, findLeaks, findSplitLeaks } from '@slipway/evaluation';
import { type Contract, type Field, INPUT_ROLES } from '@slipway/kernel';
import type { LaunchDefinition } from '../contract.ts';
import type { PreparedData } from '../prepare-data.ts';

/** Columns and rows that know the answer: leaks of columns first, then what is wrong with the split. */
export async function findAllLeaks(
  definition: LaunchDefinition,
  prepared: PreparedData,
  asked: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<Leak[]> {
  const { task, classes, train, test, contract, split } = prepared;
  const searched = contract.fields
    .filter((field) => INPUT_ROLES.has(field.role) && field.name !== definition.target && !asked.has(field.name))
    .map((field) => field.name);
  const { seed } = definition.split;
  const columns = await findLeaks({
    frame: train.frame,
    fields: searched,
    target: classes === null ? train.target : Int32Array.from(train.target),
    targetName: definition.target,
    positions: train.positions,
    task,
    classes,
    seed,
    signal,
  });
  // Ranking has rows of one query on one side by construction, and its targets are relevances of pairs.
  if (task === 'ranking') return columns;
  const random = split.strategy === 'stratified' || split.strategy === 'random';
  const times = contract.fields.filter(isTime).map((field) => field.name);
  const rows = await findSplitLeaks({
    train: { frame: train.frame, side: 'train', positions: train.positions, times },
    test: { frame: test.frame, side: 'test', positions: test.positions, times },
    trainTarget: train.target,
    testTarget: test.target,
    regression: classes === null,
    target: definition.target,
    fields: searched,
    groups: split.strategy === 'group' || split.strategy === 'time' ? [] : groupCandidates(contract, definition),
    times: random ? times : [],
    seed,
    signal,
  });
  return [...columns, ...rows];
}

/** Keys by role or name; a key that is unique in each row groups nothing and is found out by its values. */
function groupCandidates(contract: Contract, { target, subject }: LaunchDefinition): string[] {
  return contract.fields
    .filter((field) => field.name !== target && (field.role === 'identifier' || field.name === subject || hasIdName(field.name)))
    .map((field) => field.name);
}

function isTime(field: Field): boolean {
  return field.role === 'time' || (field.type === 'timestamp' && field.role !== 'target');
}
