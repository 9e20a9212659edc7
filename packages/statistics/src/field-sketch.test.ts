import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DISTINCT_STANDARD_ERROR_RATIO,
  EXACT_VALUE_LIMIT,
  FieldSketch,
  RANK_ERROR_RATIO,
  SketchFormatError,
  StatisticsError,
  createRandom,
  sketchCodes,
  sketchNumbers,
} from './index.ts';

const random = createRandom('sketches');
const LENGTH = 100_000;

function make(next: (row: number) => number, length = LENGTH): Float64Array {
  return Float64Array.from({ length }, (_, row) => next(row));
}

/** Blocks that swing between the ends, which defeats sketches that compact by position. */
function zigzag(row: number): number {
  return row % 2 === 0 ? row : LENGTH - row;
}

const STREAMS: Record<string, Float64Array> = {
  normal: make(() => random.normal()),
  uniform: make(() => random.next()),
  'heavy tailed': make(() => Math.exp(3 * random.normal())),
  ascending: make((row) => row),
  descending: make((row) => LENGTH - row),
  zigzag: make(zigzag),
  'sorted blocks': make((row) => (row % 317) * 1_000 + row / 1e6),
  'two clusters': make((row) => (row < LENGTH / 2 ? 0 : 1e9) + random.next()),
  'mostly one value': make(() => (random.next() < 0.9 ? 0 : random.normal())),
  'hundred levels': make(() => random.int(100)),
};

/** Largest distance of the sketch's cdf from the true one, just at and just below every kind of value. */
function rankError(sketch: FieldSketch, values: Float64Array): number {
  const sorted = values.toSorted();
  let worst = 0;
  for (let at = 0; at < sorted.length; at += 1) {
    if (sorted[at] === sorted[at + 1]) continue;
    worst = Math.max(worst, Math.abs(sketch.cdf(sorted[at] as number) - (at + 1) / sorted.length));
  }
  return worst;
}

function restore(sketch: FieldSketch): FieldSketch {
  return FieldSketch.fromJson(JSON.parse(JSON.stringify(sketch.toJson())));
}

function oneByOne(values: Float64Array): FieldSketch {
  const sketch = new FieldSketch('number');
  for (const value of values) sketch.update(value);
  return sketch;
}

const WAYS = [
  ['one by one', oneByOne],
  ['as a whole column', sketchNumbers],
] as const;

describe('numbers: every rank is within the stated bound', () => {
  const cases = WAYS.flatMap(([way, build]) => Object.entries(STREAMS).map(([name, values]) => [`${name} ${way}`, values, build] as const));
  test.each(cases)('%s in one pass', (_name, values, build) => {
    const sketch = build(values);
    expect(rankError(sketch, values)).toBeLessThan(RANK_ERROR_RATIO);
    expect(sketch.count).toBe(LENGTH);
    expect(sketch.quantile(0)).toBe(values.reduce((a, b) => Math.min(a, b)));
    expect(sketch.quantile(1)).toBe(values.reduce((a, b) => Math.max(a, b)));
  });

  test.each(Object.entries(STREAMS))('%s in 300 minutes of uneven size merged in random tree order, through JSON', (_name, values) => {
    const order = createRandom('tree');
    let start = 0;
    const parts: FieldSketch[] = [];
    for (let part = 0; part < 300; part += 1) {
      const end = part === 299 ? LENGTH : Math.min(LENGTH, start + order.int(660));
      parts.push(restore(sketchNumbers(values.subarray(start, end))));
      start = end;
    }
    while (parts.length > 1) {
      const [into] = parts.splice(order.int(parts.length), 1) as [FieldSketch];
      const other = parts[order.int(parts.length)] as FieldSketch;
      other.merge(into);
    }
    const merged = parts[0] as FieldSketch;
    expect(merged.count).toBe(LENGTH);
    expect(rankError(merged, values)).toBeLessThan(RANK_ERROR_RATIO);
  });

  test('the bound is not met by a sketch of other values (negative control)', () => {
    expect(rankError(sketchNumbers(make((row) => row * 1.05)), STREAMS['ascending'] as Float64Array)).toBeGreaterThan(RANK_ERROR_RATIO);
  });

  test('three hundred merges of one repeated minute do not add up to more than the bound', () => {
    const minute = make(() => random.normal(), 1_000);
    const merged = new FieldSketch('number');
    for (let i = 0; i < 300; i += 1) merged.merge(sketchNumbers(minute));
    expect(rankError(merged, minute)).toBeLessThan(RANK_ERROR_RATIO);
  });

  test('up to 64 different numbers are kept exactly whatever their counts', () => {
    const sketch = new FieldSketch('number');
    for (let row = 0; row < 10_000; row += 1) sketch.update(row % EXACT_VALUE_LIMIT);
    expect(sketch.isExact).toBe(true);
    expect(sketch.share(3)).toBe(157 / 10_000);
    expect(sketch.cdf(31)).toBeCloseTo(0.5, 2);
    expect(sketch.distinct).toBe(64);
    sketch.update(64);
    expect(sketch.isExact).toBe(false);
    expect(sketch.distinct).toBeNull();
    expect(Math.abs(sketch.cdf(31) - 0.5)).toBeLessThan(RANK_ERROR_RATIO);
  });

  test('missing is what is no finite number; booleans are 0 and 1', () => {
    const sketch = new FieldSketch('number');
    for (const value of [1, Number.NaN, null, undefined, Number.POSITIVE_INFINITY, '12', true, false, -0]) sketch.update(value);
    expect({ count: sketch.count, missing: sketch.missing, top: sketch.topValues() }).toEqual({
      count: 9,
      missing: 5,
      top: [
        { value: '0', count: 2, error: 0 },
        { value: '1', count: 2, error: 0 },
      ],
    });
    expect(new FieldSketch('number').quantile(0.5)).toBeNaN();
    expect(new FieldSketch('number').cdf(0)).toBeNaN();
  });
});

describe('texts', () => {
  const words = Array.from({ length: 200_000 }, () => `word-${Math.floor(Math.abs(random.normal()) ** 3 * 1_000)}`);
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);

  function expectBounds(sketch: FieldSketch, errorRatio: number): void {
    const listed = sketch.topValues();
    for (const { value, count, error } of listed) {
      const truth = counts.get(value ?? '') ?? 0;
      expect(value === null || (truth >= count && truth <= count + error), `${value}: ${truth} in ${count} + ${error}`).toBe(true);
      expect(error).toBeLessThanOrEqual(words.length * errorRatio);
    }
    for (const [word, count] of counts) {
      expect(sketch.share(word) * words.length).toBeLessThanOrEqual(count + 1e-6);
      expect(count <= words.length * errorRatio || sketch.share(word) > 0, `${word}`).toBe(true);
    }
    expect(Math.abs((sketch.distinct ?? 0) / counts.size - 1)).toBeLessThan(3 * DISTINCT_STANDARD_ERROR_RATIO);
  }

  test('counts of one pass are within n/128 and every frequent value is there', () => {
    const sketch = new FieldSketch('text');
    for (const word of words) sketch.update(word);
    expectBounds(sketch, 1 / 128);
    expect(sketch.topValues(1)[0]?.value).toBe('word-0');
  });

  test('merges in random tree order through JSON keep the bounds of 64 counters', () => {
    const order = createRandom('text tree');
    const parts = Array.from({ length: 100 }, () => new FieldSketch('text'));
    for (const word of words) (parts[order.int(100)] as FieldSketch).update(word);
    const stored = parts.map(restore);
    while (stored.length > 1) {
      const [from] = stored.splice(order.int(stored.length), 1) as [FieldSketch];
      (stored[order.int(stored.length)] as FieldSketch).merge(from);
    }
    const merged = stored[0] as FieldSketch;
    expect(merged.count).toBe(words.length);
    expectBounds(merged, 1 / 32);
  });

  test('distinct values are within three standard errors from a hundred to a million', () => {
    for (const distinct of [100, 1_000, 20_000, 1_000_000]) {
      const sketch = new FieldSketch('text');
      for (let i = 0; i < distinct; i += 1) sketch.update(`user ${i}`);
      expect(Math.abs((sketch.distinct ?? 0) / distinct - 1), `${distinct}`).toBeLessThan(3 * DISTINCT_STANDARD_ERROR_RATIO);
    }
  });

  test('rare texts leave only as digests, which share and merge still recognise', () => {
    const sketch = new FieldSketch('text');
    for (let i = 0; i < 10; i += 1) sketch.update('Berlin');
    for (let i = 0; i < 4; i += 1) sketch.update('Ada Lovelace');
    const json = JSON.stringify(sketch.toJson());
    expect(json).toContain('Berlin');
    expect(json).not.toContain('Lovelace');
    expect(JSON.stringify(sketch.toJson({ known: new Set(['Ada Lovelace']) }))).toContain('Lovelace');
    const restored = restore(sketch);
    expect(restored.share('Ada Lovelace')).toBe(4 / 14);
    expect(restored.topValues().map((top) => top.value)).toEqual(['Berlin', null]);
    restored.update('Ada Lovelace');
    expect(restored.topValues().map((top) => [top.value, top.count])).toEqual([
      ['Berlin', 10],
      ['Ada Lovelace', 5],
    ]);
    const merged = restore(sketch);
    merged.merge(sketch);
    expect(merged.distinct).toBe(2);
    expect(merged.share('Ada Lovelace')).toBe(8 / 28);
    expect(JSON.stringify(merged.toJson())).toContain('Lovelace');
  });

  test('long texts are counted under a digest, so megabytes of them stay small', () => {
    const sketch = new FieldSketch('text');
    for (let i = 0; i < 300; i += 1) sketch.update(`${'x'.repeat(100_000)}${i % 3 === 0 ? 'a' : ''}`.padStart(100_000 + (i % 3), '-'));
    expect(JSON.stringify(sketch.toJson()).length).toBeLessThan(400);
    expect(sketch.share(`${'x'.repeat(100_000)}a`)).toBeCloseTo(1 / 3, 2);
  });

  test('numbers and booleans count under their text, empty text is missing', () => {
    const sketch = new FieldSketch('text');
    for (const value of [1, true, '', null, '1']) sketch.update(value);
    expect(sketch.share('1')).toBe(2 / 3);
    expect(sketch.missing).toBe(2);
  });
});

describe('whole columns', () => {
  test('of numbers say what single values say: counts exactly, moments to rounding, whatever parts they come in', () => {
    const values = (STREAMS['heavy tailed'] as Float64Array).map((value, row) => (row % 97 === 0 ? Number.NaN : value));
    values[5] = Number.POSITIVE_INFINITY;
    const single = oneByOne(values);
    const parts = new FieldSketch('number');
    for (let start = 0; start < LENGTH; start += 7_919) parts.updateMany(values.subarray(start, start + 7_919));
    expect([parts.count, parts.missing, parts.minimum, parts.maximum]).toEqual([LENGTH, single.missing, single.minimum, single.maximum]);
    expect(Math.abs(parts.mean / single.mean - 1)).toBeLessThan(1e-12);
    expect(Math.abs(parts.variance / single.variance - 1)).toBeLessThan(1e-9);
    expect(rankError(restore(parts), values.filter(Number.isFinite))).toBeLessThan(RANK_ERROR_RATIO);
  });

  test('of few different numbers stay exact, and -0 is 0', () => {
    const sketch = new FieldSketch('number');
    sketch.updateMany(Float64Array.of(-0, 0, 1, Number.NaN));
    expect(sketch.topValues()).toEqual([
      { value: '0', count: 2, error: 0 },
      { value: '1', count: 1, error: 0 },
    ]);
    expect([Object.is(sketch.minimum, 0), sketch.count, sketch.missing]).toEqual([true, 4, 1]);
  });

  test('of numbers whose squares overflow still have moments', () => {
    const sketch = new FieldSketch('number');
    sketch.updateMany(Float64Array.of(1e300, -1e300, 1e308, 1e308));
    expect(Number.isFinite(sketch.variance)).toBe(true);
    expect([sketch.minimum, sketch.maximum]).toEqual([-1e300, 1e308]);
  });

  test('of texts give the very sketch of single texts, and a column of the other kind is refused', () => {
    const texts = ['a', null, 'b', '', undefined, 'a'];
    const [whole, single] = [new FieldSketch('text'), new FieldSketch('text')];
    whole.updateMany(texts);
    for (const text of texts) single.update(text);
    expect(whole.toJson()).toEqual(single.toJson());
    expect(() => whole.updateMany(Float64Array.of(1))).toThrow(StatisticsError);
    expect(() => new FieldSketch('number').updateMany(texts)).toThrow(StatisticsError);
  });

  test('a coded column gives the sketch of its texts', () => {
    const sketch = sketchCodes(Int32Array.of(0, 1, 1, -1, 1), ['a', 'b', 'never']);
    expect(sketch.topValues()).toEqual([
      { value: 'b', count: 3, error: 0 },
      { value: 'a', count: 1, error: 0 },
    ]);
    expect([sketch.count, sketch.missing, sketch.distinct]).toEqual([5, 1, 2]);
  });

  test('frequent levels are found however many rare ones come first', () => {
    const levels = Array.from({ length: 5_000 }, (_, level) => `level ${level}`);
    const codes = Int32Array.from({ length: 20_000 }, (_, row) => (row < 5_000 ? row : 4_999));
    const sketch = sketchCodes(codes, levels);
    expect(sketch.share('level 4999')).toBe(15_001 / 20_000);
  });
});

function mergedBytes(): string {
  const sketch = sketchNumbers((STREAMS['normal'] as Float64Array).subarray(0, 9_000));
  sketch.merge(sketchNumbers(STREAMS['uniform'] as Float64Array));
  return JSON.stringify(sketch.toJson());
}

describe('properties', () => {
  const value = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: -5, max: 5 }), fc.constant(null));

  test('merging any parts counts exactly what one pass counts, and small streams stay exact', () => {
    fc.assert(
      fc.property(fc.array(fc.array(value, { maxLength: 40 }), { maxLength: 12 }), (parts) => {
        const merged = new FieldSketch('number');
        const whole = new FieldSketch('number');
        for (const part of parts) {
          const sketch = new FieldSketch('number');
          for (const item of part) {
            sketch.update(item);
            whole.update(item);
          }
          merged.merge(restore(sketch));
        }
        expect([merged.count, merged.missing, merged.isExact]).toEqual([whole.count, whole.missing, whole.isExact]);
        expect([merged.minimum, merged.maximum]).toEqual([whole.minimum, whole.maximum]);
        const numbers = Float64Array.from(parts.flat().filter((item) => item !== null));
        expect(rankError(merged, numbers)).toBeLessThan(merged.isExact ? 1e-12 : RANK_ERROR_RATIO);
      }),
    );
  });

  test('text parts merge to the counts of one pass', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.array(
            fc.integer({ min: 0, max: 60 }).map((n) => 'x'.repeat(n)),
            { maxLength: 30 },
          ),
          { maxLength: 8 },
        ),
        (parts) => {
          const merged = new FieldSketch('text');
          const truth = new Map<string, number>();
          for (const part of parts) {
            const sketch = new FieldSketch('text');
            for (const item of part) {
              sketch.update(item);
              if (item !== '') truth.set(item, (truth.get(item) ?? 0) + 1);
            }
            merged.merge(restore(sketch));
          }
          expect(merged.count).toBe(parts.flat().length);
          expect(merged.present).toBe([...truth.values()].reduce((a, b) => a + b, 0));
          expect(merged.distinct).toBe(truth.size);
          for (const [text, count] of truth) expect(merged.share(text) * merged.present).toBeCloseTo(count, 9);
        },
      ),
    );
  });

  test('what JSON keeps is what the sketch says', () => {
    for (const values of Object.values(STREAMS)) {
      const sketch = sketchNumbers(values.subarray(0, 5_000));
      const restored = restore(sketch);
      for (const q of [0, 0.01, 0.5, 0.9, 1]) expect(restored.quantile(q)).toBe(sketch.quantile(q));
      expect(restored.toJson()).toEqual(sketch.toJson());
      expect([restored.mean, restored.variance]).toEqual([sketch.mean, sketch.variance]);
    }
  });

  test('the same stream and merges give the same bytes', () => {
    expect(mergedBytes()).toBe(mergedBytes());
  });
});

describe('stored sketches', () => {
  test('are small: a few values, a minute of a busy field, months of texts', () => {
    const few = new FieldSketch('number');
    for (const value of [1, 2, 2.5]) few.update(value);
    expect(JSON.stringify(few.toJson()).length).toBeLessThan(150);
    expect(JSON.stringify(sketchNumbers(STREAMS['normal'] as Float64Array).toJson()).length).toBeLessThan(9_000);
    const texts = new FieldSketch('text');
    for (let i = 0; i < 100_000; i += 1) texts.update(`customer ${i}`);
    expect(JSON.stringify(texts.toJson()).length).toBeLessThan(6_000);
  });

  test.each([
    ['nothing', null],
    ['another format', { v: 2, kind: 'number', count: 0, missing: 0 }],
    ['more missing than counted', { v: 1, kind: 'number', count: 1, missing: 2, exact: [] }],
    ['counts that do not add up', { v: 1, kind: 'number', count: 3, missing: 0, moments: [1, 0, 1, 1], exact: [[1, 2]] }],
    [
      'a number twice',
      {
        v: 1,
        kind: 'number',
        count: 2,
        missing: 0,
        moments: [1, 0, 1, 1],
        exact: [
          [1, 1],
          [1, 1],
        ],
      },
    ],
    ['no moments', { v: 1, kind: 'number', count: 1, missing: 0, exact: [[1, 1]] }],
    ['a cut level', { v: 1, kind: 'number', count: 1, missing: 0, moments: [1, 0, 1, 1], quantiles: { levels: ['AAAA'], coin: 1 } }],
    ['no counters', { v: 1, kind: 'text', count: 1, missing: 0 }],
    ['a negative count', { v: 1, kind: 'text', count: 1, missing: 0, top: { values: [['a', -1]], rare: [], floor: 0 } }],
    [
      'a value twice',
      {
        v: 1,
        kind: 'text',
        count: 2,
        missing: 0,
        top: {
          values: [
            ['a', 1],
            ['a', 1],
          ],
          rare: [],
          floor: 0,
        },
      },
    ],
    ['a broken counter', { v: 1, kind: 'text', count: 1, missing: 0, top: { values: [], rare: [], floor: 0 }, distinct: 'd12' }],
  ])('with %s are refused', (_name, json) => {
    expect(() => FieldSketch.fromJson(json)).toThrow(SketchFormatError);
  });

  test('of different kinds do not merge', () => {
    expect(() => new FieldSketch('number').merge(new FieldSketch('text'))).toThrow(StatisticsError);
  });
});
