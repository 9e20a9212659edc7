import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'vitest';
import { renderReference } from './reference.ts';

const PAGE = new URL('../../../docs/reference/commands.md', import.meta.url);

test('the page of commands in docs/reference is what the program parses', () => {
  const made = renderReference();
  assert.match(made, /## slipway launch <file>/);
  assert.match(made, /\| `--sensitive <a,b>` \|/);
  if (process.env['SLIPWAY_WRITE_REFERENCE'] === '1') writeFileSync(PAGE, made);
  assert.equal(
    readFileSync(PAGE, 'utf8'),
    made,
    'write it anew: SLIPWAY_WRITE_REFERENCE=1 npx vitest run --project unit apps/cli/src/reference.test.ts',
  );
});
