import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { type Expected, assertCommandRefused, assertRefusal, assertReplyRefused } from './refusals.ts';

const expected: Expected = { kind: 'invalid', says: [/"age"/, /Send a number/] };
const good = {
  code: 'data/unknown-column',
  kind: 'invalid',
  message: 'The column "age" is not a number.',
  remedy: 'fix-input',
  details: {},
  requestId: null as string | null,
  help: 'Send a number.' as string | null,
};
const body = (change: Partial<typeof good> & Record<string, unknown> = {}) => ({ error: { ...good, ...change } });
const ended = (change: Partial<typeof good> = {}, more: { code?: number; stdout?: string; stderr?: string } = {}) => ({
  code: 2,
  stdout: `${JSON.stringify(body(change))}\n`,
  stderr: `error[${good.code}]: ${change.message ?? good.message}\n  try: ${change.help ?? good.help ?? ''}\n`,
  ...more,
});

describe('the checks of this folder can fail', () => {
  test('a clear refusal passes', () => {
    assertRefusal(body(), expected);
    assertCommandRefused(ended(), expected);
  });

  test.each<[string, Record<string, unknown>]>([
    ['a stack trace', { message: `${good.message}\n    at readRows (file.ts:3:4)` }],
    ['a stack trace among the details', { details: { cause: 'Error: x\n    at next (main.js:10:2)' } }],
    ['a path of the sources', { message: `${good.message} in /srv/app/packages/data/src/ingest` }],
    ['the words of an unexpected failure', { message: `Slipway failed: "age"` }],
    ['another kind', { kind: 'internal' }],
    ['a message that does not name the column', { message: 'The input is wrong.' }],
    ['no word about how to mend it', { help: null }],
    ['an unknown property', { stack: '' }],
    ['no message', { message: '' }],
  ])('%s fails', (_what, change) => {
    assert.throws(() => assertRefusal(body(change), expected));
  });

  test('a wrong exit code, a second line on stdout and a trace on stderr fail', () => {
    assert.throws(() => assertCommandRefused(ended({}, { code: 1 }), expected));
    assert.throws(() => assertCommandRefused(ended({}, { stdout: `progress\n${JSON.stringify(body())}\n` }), expected));
    assert.throws(() => assertCommandRefused(ended({}, { stdout: '' }), expected));
    assert.throws(() => assertCommandRefused(ended({}, { stderr: `${ended().stderr}    at main (x.ts:1:1)\n` }), expected));
    assert.throws(() => assertCommandRefused(ended({}, { stderr: '' }), expected));
  });

  test('a wrong status and a request id that is not in the header fail', async () => {
    const reply = (status: number, id: string) =>
      new Response(JSON.stringify(body({ requestId: 'req_1' })), {
        status,
        headers: { 'content-type': 'application/json', 'x-request-id': id },
      });
    await assertReplyRefused(reply(422, 'req_1'), expected);
    await assert.rejects(assertReplyRefused(reply(200, 'req_1'), expected));
    await assert.rejects(assertReplyRefused(reply(422, 'req_2'), expected));
  });
});
