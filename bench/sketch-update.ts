/**
 * What one sketch update costs and how large stored sketches are. Run: node bench/sketch-update.ts [values]
 * Target (packages/statistics): at most 1 us a value, amortised.
 */
import { FieldSketch, RANK_ERROR_RATIO, createRandom, sketchCodes, sketchNumbers } from '../packages/statistics/src/index.ts';

const length = Number(process.argv[2] ?? 1_000_000);
const random = createRandom('bench');
const normal = Float64Array.from({ length }, () => random.normal());
const words = Array.from({ length }, () => `value-${Math.floor(Math.abs(random.normal()) ** 3 * 1_000)}`);
const streams: Record<string, () => FieldSketch> = {
  'numbers, normal': () => sketchNumbers(normal),
  'numbers, ascending': () => sketchNumbers(normal.toSorted()),
  'numbers, 10 levels': () => sketchNumbers(normal.map((value) => Math.round(value))),
  'texts, long tail': () => fill(words),
  'texts, 20 values': () => fill(words.map((_, row) => `category ${row % 20}`)),
  'texts, all different': () => fill(words.map((_, row) => `customer ${row}`)),
  'coded column, 1,000 levels': () =>
    sketchCodes(
      Int32Array.from({ length }, () => random.int(1_000)),
      Array.from({ length: 1_000 }, (_, level) => `level ${level}`),
    ),
};

function fill(values: readonly string[]): FieldSketch {
  const sketch = new FieldSketch('text');
  for (const value of values) sketch.update(value);
  return sketch;
}

console.log(`${length} values each; rank error is bounded by ${RANK_ERROR_RATIO}`);
for (const [name, build] of Object.entries(streams)) {
  build();
  const started = performance.now();
  const sketch = build();
  const nanoseconds = ((performance.now() - started) * 1e6) / length;
  console.log(
    `${name.padEnd(28)} ${nanoseconds.toFixed(0).padStart(5)} ns a value (making the values included), ${JSON.stringify(sketch.toJson()).length} bytes stored`,
  );
}

const minutes = Array.from({ length: 1_000 }, (_, minute) => sketchNumbers(normal.subarray(minute * 500, (minute + 1) * 500)).toJson());
const started = performance.now();
const merged = new FieldSketch('number');
for (const minute of minutes) merged.merge(FieldSketch.fromJson(minute));
console.log(`1,000 stored minutes merged in ${(performance.now() - started).toFixed(1)} ms, ${merged.count} values`);
