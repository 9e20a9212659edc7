import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'vitest';
import { settings } from './settings.ts';

test('a flag wins over the environment and the environment over the default', () => {
  assert.equal(settings.resolve({ port: '1' }, { SLIPWAY_PORT: '2' }).port, 1);
  assert.equal(settings.resolve({}, { SLIPWAY_PORT: '2' }).port, 2);
  assert.equal(settings.resolve({}, {}).port, 7700);
});

test('a wrong value is refused with the name it was given by, and a secret is never shown', () => {
  assert.throws(() => settings.resolve({ port: 'seven' }, {}), /--port .*"seven"/);
  assert.throws(() => settings.resolve({}, { SLIPWAY_PORT: '99999' }), /SLIPWAY_PORT/);
  assert.throws(
    () => settings.resolve({}, { SLIPWAY_KEY: 'too-short-secret' }),
    (error: Error) => /SLIPWAY_KEY needs 32 characters/.test(error.message) && !error.message.includes('too-short-secret'),
  );
});

test('the reference page holds the table that the code uses', () => {
  const page = readFileSync(new URL('../../../docs/reference/configuration.md', import.meta.url), 'utf8');
  assert.ok(page.includes(settings.render()), `docs/reference/configuration.md should contain:\n${settings.render()}`);
});
