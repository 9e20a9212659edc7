import { readFileSync } from 'node:fs';

/** The frozen cases of `vectors/NAME.json`, made by conformance/reference/fairness.py with the versions named in the file. */
export function readVectors<T>(name: string): T[] {
  return (JSON.parse(readFileSync(new URL(`./vectors/${name}.json`, import.meta.url), 'utf8')) as { cases: T[] }).cases;
}

/** Largest distance from a reference, relative above one; null in the reference stands for an undefined value. */
export function distanceFrom(actual: number | null | undefined, expected: number | null): number {
  const isNone = actual === null || actual === undefined || Number.isNaN(actual);
  if (expected === null || isNone) return expected === null && isNone ? 0 : Number.POSITIVE_INFINITY;
  return Math.abs(actual - expected) / Math.max(1, Math.abs(expected));
}
