import type { Profile } from '@slipway/data/contract';
import { type Contract, type Field, INPUT_ROLES, toRfc3339 } from '@slipway/kernel';

/** Position of the median among a profile's quantiles. */
const MIDDLE = 0.5;

/**
 * A row that the contract accepts, made from the profile: medians and most frequent values. No real row is shown, since it
 * would be somebody's data in logs and terminals. `also`: columns that are no inputs but say which threshold a row has.
 */
export function exampleRow(contract: Contract, profile: Profile, also: readonly Field[] = []): Record<string, unknown> {
  const profiles = new Map(profile.columns.map((column) => [column.name, column]));
  const row: Record<string, unknown> = {};
  for (const field of [...contract.fields.filter(({ role }) => INPUT_ROLES.has(role)), ...also]) {
    const column = profiles.get(field.name);
    const top = column?.top[0]?.value;
    const quantiles = column?.numbers?.quantiles ?? [];
    const median = quantiles[Math.floor(quantiles.length * MIDDLE)] ?? column?.numbers?.mean ?? 0;
    switch (field.type) {
      case 'float64':
        row[field.name] = Number(median.toPrecision(6));
        break;
      case 'int64':
        row[field.name] = Math.round(median);
        break;
      case 'boolean':
        row[field.name] = top === 'true';
        break;
      case 'timestamp':
        row[field.name] = toRfc3339(Math.round(median));
        break;
      default:
        row[field.name] = top ?? field.expect.allowedValues?.[0] ?? (field.nullable ? null : 'text');
    }
  }
  return row;
}
