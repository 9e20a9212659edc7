import { canonicalJson, parseJson } from '@slipway/kernel';
import type { ObjectRef, Objects } from '@slipway/objects';
import type { z } from 'zod';

/** Profiles and contracts of 2,000 columns stay far below this. */
const JSON_LIMIT_BYTES = 64 * 1024 ** 2;

/** Stores a value as canonical JSON, so that equal values are one object. */
export async function storeJson(objects: Objects, project: string, value: unknown): Promise<ObjectRef> {
  return objects.put(project, Buffer.from(canonicalJson(value)));
}

export async function loadJson<T>(objects: Objects, project: string, sha256: string, shape: z.ZodType<T>): Promise<T> {
  const bytes = await objects.read(project, sha256, JSON_LIMIT_BYTES);
  return shape.parse(parseJson(Buffer.from(bytes).toString('utf8')));
}
