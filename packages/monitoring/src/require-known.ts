import { type Contract, InvalidError, nearestName } from '@slipway/kernel';
import { inputField } from '@slipway/telemetry';
import { type MonitorSettings, metricProblem } from './contract.ts';
import type { MonitoredRelease } from './monitor.ts';

/** Columns that an error names. */
const COLUMNS_NAMED = 20;

/**
 * Names that mean nothing to what is live would silently watch nothing, so they are refused.
 * @param contract what the version takes; undefined when nothing is known of it, then columns are not looked at.
 * @throws {InvalidError} naming the setting, the name, and what there is.
 */
export function requireKnown(
  { quality, groups, fields }: Pick<MonitorSettings, 'quality' | 'groups' | 'fields'>,
  { task }: Pick<MonitoredRelease, 'task'>,
  contract: Contract | undefined,
): void {
  for (const name of task === null ? [] : Object.keys(quality)) {
    const problem = metricProblem(name, task ?? undefined);
    if (problem !== null) throw wrong(`quality.${name}`, problem);
  }
  if (!contract) return;
  const columns = [...contract.fields.map((field) => field.name), ...contract.ignored];
  for (const name of groups) if (!columns.includes(name)) throw unknownColumn('groups', name, columns);
  const watched = contract.fields.map((field) => inputField(field.name));
  for (const name of Object.keys(fields)) {
    if (watched.includes(name) || name === 'prediction' || /^(?:probability|call):/.test(name)) continue;
    throw unknownColumn(`fields.${name}`, name, [...watched, 'prediction']);
  }
}

function unknownColumn(field: string, name: string, columns: readonly string[]): InvalidError {
  const near = nearestName(name, columns);
  const named = `${columns.slice(0, COLUMNS_NAMED).join(', ')}${columns.length > COLUMNS_NAMED ? ', …' : ''}`;
  return wrong(
    field,
    `there is no column "${name.slice(0, 100)}"${near === undefined ? ` (there are ${named})` : `; did you mean "${near}"?`}`,
  );
}

function wrong(field: string, problem: string): InvalidError {
  return new InvalidError(`${field}: ${problem}`, {
    details: { field },
    help: 'slipway monitor RELEASE --settings shows what is asked now.',
  });
}
