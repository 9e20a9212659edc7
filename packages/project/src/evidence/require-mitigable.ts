import type { LaunchDefinition } from '../contract.ts';
import { LaunchInvalidError } from '../errors.ts';

/** Refuses what could not be done or judged, before anything is taught. @throws {LaunchInvalidError} */
export function requireMitigable({ mitigate, sensitive, gates, moreGates }: LaunchDefinition, task: string): void {
  for (const gate of [...(gates ?? []), ...(moreGates ?? [])]) {
    if (gate.kind !== 'fairness') continue;
    const unknown = gate.column.split('+').find((name) => !sensitive.includes(name));
    if (unknown === undefined || sensitive.includes(gate.column)) continue;
    throw new LaunchInvalidError(`The fairness gate is about "${gate.column}", and "${unknown}" is not among the sensitive columns.`, {
      details: { field: 'sensitive', column: unknown },
      help: 'Name it with --sensitive, or leave out the gate.',
    });
  }
  if (mitigate === undefined) return;
  if (sensitive.length === 0) {
    throw new LaunchInvalidError(`Mitigation by ${mitigate} needs to know the groups.`, {
      details: { field: 'sensitive' },
      help: 'Name their columns with --sensitive.',
    });
  }
  const isPossible = task === 'binary' || (task === 'multiclass' && mitigate === 'reweighing');
  if (!isPossible) {
    throw new LaunchInvalidError(`Mitigation by ${mitigate} does not fit a ${task} model.`, {
      details: { field: 'mitigate', task },
      help:
        mitigate === 'reweighing' ? 'Reweighing needs classes.' : 'Thresholds need two classes; several can be mitigated by reweighing.',
    });
  }
}
