import assert from 'node:assert/strict';
import { systemRandomBytes } from '@slipway/kernel';
import * as fc from 'fast-check';
import { test } from 'vitest';
import { WeakKeyError } from './errors.ts';
import { KEY_LENGTH_MAX, KEY_LENGTH_MIN, checkAdminKey, couldBeKey, createKeyText, keyHint } from './key-format.ts';

test('ID1 a made key has a prefix, 43 characters of 256 random bits and a checksum', () => {
  const key = createKeyText(systemRandomBytes);

  assert.match(key, /^slw_[A-Za-z0-9_-]{43}_[0-9a-f]{8}$/);
  assert.ok(couldBeKey(key));
  assert.notEqual(key, createKeyText(systemRandomBytes));
  assert.equal(keyHint(key).length, 9);
});

test('ID1 a made key with any one character changed, added or cut is refused without a look-up', () => {
  fc.assert(
    fc.property(fc.nat(55), fc.constantFrom(...'aZ09_-~'), (position, replacement) => {
      const key = createKeyText(systemRandomBytes);
      const changed = key.slice(0, position) + replacement + key.slice(position + 1);
      // Outside the prefix a change breaks the checksum; inside it the text is no longer one of ours at all.
      if (changed !== key && changed.startsWith('slw_')) assert.equal(couldBeKey(changed), false);
      assert.equal(couldBeKey(`${key}0`), false);
      assert.equal(couldBeKey(key.slice(0, -1)), false);
    }),
  );
});

test('ID2 SLIPWAY_KEY takes 32 to 256 printable characters and its refusal names it', () => {
  const good = '0123456789abcdefghijklmnopqrstuv';
  checkAdminKey(good);
  checkAdminKey(good.repeat(8));
  for (const bad of [good.slice(1), `${good.repeat(8)}x`, `${good} `, `${good}é`, `${good}\n`, 'a'.repeat(32), `slw_${good}`, '']) {
    assert.throws(
      () => checkAdminKey(bad),
      (error) => error instanceof WeakKeyError && error.message.includes('SLIPWAY_KEY'),
      bad,
    );
  }
  assert.deepEqual([KEY_LENGTH_MIN, KEY_LENGTH_MAX], [32, 256]);
});

test('ID2 a refusal of SLIPWAY_KEY does not repeat the key', () => {
  try {
    checkAdminKey('secret-but-too-short');
    assert.fail('accepted');
  } catch (error) {
    assert.ok(error instanceof WeakKeyError);
    assert.doesNotMatch(JSON.stringify([error.message, error.details, error.help]), /secret-but/);
  }
});
