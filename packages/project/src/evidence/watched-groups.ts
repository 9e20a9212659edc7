import type { Field, FieldRole } from '@slipway/kernel';

/** Roles whose values are groups by themselves; of numbers and times every value would be one. */
const GROUPED: ReadonlySet<FieldRole> = new Set(['categorical', 'boolean']);

/** The sensitive columns by whose values live decisions are compared without a word; others are named in the monitor's `groups`. */
export function watchedGroups(fields: readonly Pick<Field, 'name' | 'role'>[], sensitive: readonly string[]): string[] {
  return fields.filter(({ name, role }) => sensitive.includes(name) && GROUPED.has(role)).map(({ name }) => name);
}
