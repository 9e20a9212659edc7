import assert from 'node:assert/strict';
import { test } from 'vitest';
import { likeliest } from './likeliest.ts';

test('few classes are all shown in their order', () => {
  assert.equal(likeliest({ no: 0.25, yes: 0.75 }), 'no 0.25  yes 0.75');
  assert.equal(likeliest({ a: 0.1, b: 0.1, c: 0.5, d: 0.2, e: 0.1 }), 'a 0.1  b 0.1  c 0.5  d 0.2  e 0.1');
});

test('of many the five likeliest, and how many more there are', () => {
  const many = Object.fromEntries(Array.from({ length: 77 }, (_, at) => [`c${at}`, at / 2926]));
  assert.match(likeliest(many), /^c76 0\.0\d+  c75 .* c72 0\.0\d+  and 72 more$/);
});
