import { readFile } from 'node:fs/promises';

/** Other versions of the packages may sum in another order; a hundredth of what the metrics are held to. */
const TOLERANCE = 1e-11;

/** Paths at which two JSON values differ by more than the tolerance. */
export function differences(left: unknown, right: unknown, path = ''): string[] {
  if (typeof left === 'number' && typeof right === 'number')
    return Math.abs(left - right) <= TOLERANCE * Math.max(1, Math.abs(right)) ? [] : [`${path}: ${left} is not ${right}`];
  if (left === null || right === null || typeof left !== 'object' || typeof right !== 'object')
    return left === right ? [] : [`${path}: ${String(left)} is not ${String(right)}`];
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  const at = (value: object, key: string): unknown => Reflect.get(value, key);
  return [...keys].flatMap((key) => differences(at(left, key), at(right, key), `${path}/${key}`));
}

/** The cases of a file of vectors, without the versions it was made with. */
export async function casesOf(file: string): Promise<unknown> {
  return Reflect.get(JSON.parse(await readFile(file, 'utf8')) as object, 'cases') as unknown;
}
