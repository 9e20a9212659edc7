import type { RawRequest } from './send.ts';
import type { Expected } from './refusals.ts';

export interface BadRequest extends RawRequest {
  readonly what: string;
  readonly expected: Expected;
  /** Where it is not the usual one of its kind. */
  readonly status?: number;
}

export const PREDICT = '/v1/releases/good/predict';
export const goodRow = { age: 31, plan: 'pro' };
export const goodBody = JSON.stringify({ rows: [goodRow] });
const CALL_ROWS_LIMIT = 1_000;

const invalid = (...says: readonly RegExp[]): Expected => ({ kind: 'invalid', says });
const predict = (what: string, body: NonNullable<RawRequest['body']>, expected: Expected, more: Partial<BadRequest> = {}): BadRequest => ({
  what,
  path: PREDICT,
  body,
  expected,
  ...more,
});
const rows = (...list: readonly unknown[]) => JSON.stringify({ rows: list });

/** Each of these reaches a release that answers `goodBody`. */
export const badRequests: readonly BadRequest[] = [
  predict('NaN', '{"rows":[{"age":NaN,"plan":"pro"}]}', invalid(/JSON/, /null for a missing number/)),
  predict('Infinity', '{"rows":[{"age":Infinity,"plan":"pro"}]}', invalid(/JSON/, /null/)),
  predict('a number beyond doubles', '{"rows":[{"age":1e999,"plan":"pro"}]}', invalid(/too large/, /1\.8e308/)),
  predict('a nesting bomb', `{"rows":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, invalid(/deeper than 64/)),
  predict('a nesting bomb of objects', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`, invalid(/deeper than 64/)),
  predict('__proto__', '{"rows":[{"age":1,"plan":"pro","__proto__":{"admin":true}}]}', invalid(/__proto__/)),
  predict('an escaped __proto__', '{"rows":[{"age":1,"plan":"pro","\\u005f_proto__":{"admin":true}}]}', invalid(/__proto__/)),
  predict('no JSON', 'age=31', invalid(/JSON/)),
  predict('cut JSON', '{"rows":[{"age":31', invalid(/JSON/)),
  predict('an empty body', '', invalid(/body|JSON/)),
  predict('invalid UTF-8', Buffer.from('7b22726f7773223a5b7b22706c616e223a22ff227d5d7d', 'hex'), invalid(/UTF-8/)),
  predict('another content type', goodBody, invalid(/application\/json/), { headers: { 'content-type': 'text/csv' } }),
  predict('a compressed body', goodBody, invalid(/[Ee]ncoding/), { headers: { 'content-encoding': 'gzip' } }),
  predict('an unknown field in the body', JSON.stringify({ rows: [goodRow], unti: 'x' }), invalid(/unti/, /unit/)),
  predict('rows that are no list', '{"rows":{"age":31}}', invalid(/rows/)),
  predict('no rows', '{"rows":[]}', invalid(/rows/)),
  predict('a list as the body', '[]', invalid(/object/)),
  predict('a row that is no object', rows(goodRow, 5), invalid(/"row":1/, /object/)),
  predict('an unknown column', rows({ ...goodRow, plam: 1 }), invalid(/"row":0/, /"field":"plam"/, /did you mean "plan"/, /number 1/)),
  predict('a wrong type', rows(goodRow, { ...goodRow, age: 'old' }), invalid(/"row":1/, /"field":"age"/, /whole number/, /"old"/)),
  predict('a fraction for a whole number', rows({ ...goodRow, age: 3.5 }), invalid(/"field":"age"/, /whole number/, /3\.5/)),
  predict('a lone surrogate', '{"rows":[{"age":1,"plan":"\\ud800"}]}', invalid(/rows\[0\]\.plan/, /text without/)),
  predict('more rows than the limit', rows(...Array.from({ length: CALL_ROWS_LIMIT + 1 }, () => goodRow)), {
    kind: 'tooLarge',
    says: [/1001|1,001/, /1000|1,000/],
  }),
  predict('an event time that is none', JSON.stringify({ rows: [goodRow], eventTime: 'yesterday' }), invalid(/eventTime/, /RFC 3339/)),
  predict('an event time far away', JSON.stringify({ rows: [goodRow], eventTime: 9e15 }), invalid(/eventTime/)),
  predict('a subject that is too long', JSON.stringify({ rows: [goodRow], subject: 'x'.repeat(257) }), invalid(/subject/, /256/)),
  predict(
    'the Host of another site',
    goodBody,
    { kind: 'forbidden', says: [/evil\.example/, /127\.0\.0\.1/] },
    { headers: { host: 'evil.example' } },
  ),
  predict(
    'the Origin of another site',
    goodBody,
    { kind: 'forbidden', says: [/evil\.example/] },
    { headers: { origin: 'https://evil.example' } },
  ),
  predict('no key', goodBody, { kind: 'unauthenticated', says: [/key/, /Bearer/] }, { key: null }),
  predict('a wrong key', goodBody, { kind: 'unauthenticated', says: [/key/] }, { key: `slw_${'a'.repeat(43)}_00000000` }),
  predict('a key that is none', goodBody, { kind: 'unauthenticated', says: [/key/] }, { key: 'x' }),
  predict(
    'another scheme than Bearer',
    goodBody,
    { kind: 'unauthenticated', says: [/Bearer/] },
    { key: null, headers: { authorization: 'Basic eDp5' } },
  ),
  predict(
    'a release that is not there',
    goodBody,
    { kind: 'notFound', says: [/"nope"/, /slipway releases/] },
    { path: '/v1/releases/nope/predict' },
  ),
  predict('a name that no release can have', goodBody, { kind: 'invalid', says: [/name/] }, { path: '/v1/releases/..%2Fetc/predict' }),
  predict('a wrong method', '', invalid(/PUT/, /POST/), { method: 'PUT', status: 405 }),
  {
    what: 'a path that is not there',
    method: 'GET',
    path: '/v1/relases',
    expected: { kind: 'notFound', says: [/\/v1\/relases/, /openapi/] },
  },
  { what: 'a limit past the largest', method: 'GET', path: '/v1/runs?limit=100000', expected: invalid(/limit/, /500/) },
  { what: 'a cursor that is none', method: 'GET', path: '/v1/versions?cursor=garbage', expected: invalid(/cursor/) },
  { what: 'a run that is not there', method: 'GET', path: '/v1/runs/run_none', expected: { kind: 'notFound', says: [/run_none/] } },
  { what: 'a version that is not there', method: 'GET', path: '/v1/versions/mv_none', expected: { kind: 'notFound', says: [/mv_none/] } },
  {
    what: 'an invocation that is not there',
    method: 'GET',
    path: '/v1/invocations/inv_none',
    expected: { kind: 'notFound', says: [/inv_none/] },
  },
  { what: 'a dataset that is not there', method: 'GET', path: '/v1/datasets/none', expected: { kind: 'notFound', says: [/none/] } },
  { what: 'a window that is none', method: 'GET', path: '/v1/releases/good/monitor?window=soon', expected: invalid(/window/) },
  {
    what: 'outcomes without an invocation',
    path: '/v1/outcomes',
    body: JSON.stringify({ outcomes: [{ value: 1 }] }),
    expected: invalid(/invocation/),
  },
  {
    what: 'a launch of bytes that were never sent',
    path: '/v1/launches',
    body: launchOf('0'.repeat(64)),
    expected: { kind: 'notFound', says: [/uploads/] },
  },
  {
    what: 'a launch with a misspelt option',
    path: '/v1/launches',
    body: launchOf('0'.repeat(64), { taget: 'x' }),
    expected: invalid(/taget/),
  },
  {
    what: 'a launch under a name that is none',
    path: '/v1/launches',
    body: launchOf('0'.repeat(64), { name: 'No Name!' }),
    expected: invalid(/name/, /a-z/),
  },
  { what: 'a key for a role that is none', path: '/v1/keys', body: '{"role":"king","label":"x"}', expected: invalid(/role/, /admin/) },
  {
    what: 'a rollback to a revision that is not there',
    path: '/v1/releases/good/rollback',
    body: '{"to":99}',
    expected: { kind: 'notFound', says: [/99/] },
  },
  {
    what: 'a rollback with nothing before',
    path: '/v1/releases/good/rollback',
    body: '{}',
    expected: { kind: 'conflict', says: [/revision/] },
  },
  { what: 'an erasure of nobody', path: '/v1/erasures', body: '{}', expected: invalid(/subject/) },
];

function launchOf(sha256: string, change: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ definition: { name: 'x', dataset: 'x', target: 'y', ...change }, data: { sha256, fileName: 'x.csv' } });
}
