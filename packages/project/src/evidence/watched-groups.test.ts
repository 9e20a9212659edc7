import assert from 'node:assert/strict';
import { test } from 'vitest';
import { watchedGroups } from './watched-groups.ts';

test('sensitive columns whose values are groups are watched; numbers, times and columns that nobody called sensitive are not', () => {
  const fields = (['categorical', 'boolean', 'numeric', 'time', 'text', 'identifier'] as const).map((role) => ({ name: role, role }));
  const names = fields.map(({ name }) => name);
  assert.deepEqual(watchedGroups(fields, names), ['categorical', 'boolean']);
  assert.deepEqual(watchedGroups(fields, ['boolean', 'elsewhere']), ['boolean']);
  assert.deepEqual(watchedGroups(fields, []), []);
});
