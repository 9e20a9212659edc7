import { readFileSync } from 'node:fs';

/** The frozen cases of `vectors/NAME.json`, made by generate-vectors.py with the versions named in the file. */
export function readVectors<T>(name: string): T[] {
  return (JSON.parse(readFileSync(new URL(`./vectors/${name}.json`, import.meta.url), 'utf8')) as { cases: T[] }).cases;
}

/** Whether a number is the reference within 1e-9, relative above one; null in the reference stands for NaN. */
export function isClose(actual: number, expected: number | null, tolerance = 1e-9): boolean {
  if (expected === null) return Number.isNaN(actual);
  return Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected));
}
