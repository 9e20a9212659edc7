import assert from 'node:assert/strict';
import { test } from 'vitest';
import { noteUnserved } from './connect.ts';
import type { GlobalOptions } from './options.ts';
import type { Output } from './output.ts';

function notes(through: 'server' | 'own', home: string): string[] {
  const said: string[] = [];
  const output: Output = { json: false, live: false, data: () => {}, note: (text) => void said.push(text), progress: () => {} };
  noteUnserved(output, through, { home } as GlobalOptions);
  return said;
}

test('a release made without a server comes with the command that starts one', () => {
  assert.match(notes('own', '/data/home').join(), /No server is running.*slipway up --home \/data\/home$/);
  assert.match(notes('own', '/data/my home').join(), /--home "\/data\/my home"$/);
  assert.deepEqual(notes('server', '/data/home'), []);
});
