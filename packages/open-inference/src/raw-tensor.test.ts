import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, test } from 'vitest';
import type { Datatype } from './datatypes.ts';
import { TensorError } from './errors.ts';
import { fromBrain, fromHalf } from './float16.ts';
import { decodeRaw, encodeRaw } from './raw-tensor.ts';

const decode = (datatype: Datatype, bytes: ArrayLike<number>, count: number) =>
  Array.from(decodeRaw('x', datatype, Uint8Array.from(bytes), count));

describe('raw tensors', () => {
  test('each datatype is read little-endian', () => {
    assert.deepEqual(decode('BOOL', [0, 1], 2), [false, true]);
    assert.deepEqual(decode('UINT16', [1, 2], 1), [513]);
    assert.deepEqual(decode('INT8', [255], 1), [-1]);
    assert.deepEqual(decode('INT32', [254, 255, 255, 255], 1), [-2]);
    assert.deepEqual(decode('INT64', [254, 255, 255, 255, 255, 255, 255, 255], 1), [-2n]);
    assert.deepEqual(decode('UINT64', [0, 0, 0, 0, 0, 0, 0, 128], 1), [2n ** 63n]);
    assert.deepEqual(decode('FP32', [0, 0, 192, 63], 1), [1.5]);
    assert.deepEqual(decode('FP16', [0x00, 0x3c, 0x00, 0xc0], 2), [1, -2]);
    assert.deepEqual(decode('BF16', [0x80, 0x3f, 0x00, 0xc0], 2), [1, -2]);
    assert.deepEqual(decode('BYTES', [2, 0, 0, 0, 0xc3, 0xbc, 0, 0, 0, 0], 2), ['ü', '']);
  });

  test('numbers are read wherever they begin in the body', () => {
    const body = new Uint8Array(1 + 16);
    body.set(new Uint8Array(Float64Array.of(1.25, -3).buffer), 1);
    assert.deepEqual([...(decodeRaw('x', 'FP64', body.subarray(1), 2) as Float64Array)], [1.25, -3]);
  });

  test('what is written is read again, texts and numbers (property)', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'))), (texts) => {
        const raw = encodeRaw({ name: 'x', datatype: 'BYTES', shape: [texts.length], values: texts });
        assert.deepEqual(decodeRaw('x', 'BYTES', raw, texts.length), texts);
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.double()), (values) => {
        const raw = encodeRaw({ name: 'x', datatype: 'FP64', shape: [values.length], values });
        assert.deepEqual([...(decodeRaw('x', 'FP64', raw, values.length) as Float64Array)], values);
      }),
    );
  });

  test('random bytes are read or refused, never anything else (property)', () => {
    const datatypes: Datatype[] = ['BYTES', 'BOOL', 'INT64', 'FP16', 'FP32'];
    fc.assert(
      fc.property(fc.constantFrom(...datatypes), fc.uint8Array({ maxLength: 64 }), fc.nat(2 ** 40), (datatype, bytes, count) => {
        try {
          assert.equal(decodeRaw('x', datatype, bytes, count).length, count);
        } catch (error) {
          assert.ok(error instanceof TensorError, String(error));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('wrong lengths, no text and a BOOL of two are refused by name', () => {
    assert.throws(() => decode('FP64', [1, 2, 3], 1), /"x" has 3 bytes; 1 elements of FP64 take 8/);
    assert.throws(() => decode('BYTES', [9, 0, 0, 0, 65], 1), /ends within element 0/);
    assert.throws(() => decode('BYTES', [1, 0, 0, 0, 65, 7], 1), /1 bytes more than its 1 elements/);
    assert.throws(() => decode('BYTES', [1, 0, 0, 0, 0xff], 1), /UTF-8/);
    assert.throws(() => decode('BYTES', [1, 0, 0, 0, 0], 1), /NUL/);
    assert.throws(() => decode('BOOL', [2], 1), /BOOL byte 2/);
  });
});

describe('half precision', () => {
  test('all 65,536 patterns are what IEEE 754 says', () => {
    // Built up from the definition by another way: significand times a power of two.
    for (let bits = 0; bits < 65_536; bits += 1) {
      const sign = bits >> 15 === 1 ? -1 : 1;
      const exponent = (bits >> 10) & 31;
      const significand = (exponent === 0 ? 0 : 1024) + (bits & 1023);
      const expected =
        exponent === 31 ? ((bits & 1023) === 0 ? sign * Infinity : Number.NaN) : sign * significand * 2 ** (Math.max(exponent, 1) - 25);
      assert.ok(Object.is(fromHalf(bits), expected), `0x${bits.toString(16)}: ${fromHalf(bits)} is not ${expected}`);
    }
  });

  test('known values', () => {
    assert.deepEqual([0x7bff, 0x0001, 0x3555].map(fromHalf), [65_504, 2 ** -24, 0.333251953125]);
    assert.deepEqual([0x7f80, 0x4049].map(fromBrain), [Infinity, 3.140625]);
  });
});
