import { type Json, canonicalJson, parseJson } from '@slipway/kernel';
import type { Objects } from '@slipway/objects';
import type { z } from 'zod';

/** Largest JSON object that is read back into memory. */
const JSON_OBJECT_LIMIT_BYTES = 64 * 1024 * 1024;

/** Stores a value as canonical JSON. @returns its SHA-256. */
export async function putJson(objects: Objects, project: string, value: unknown): Promise<string> {
  return (await objects.put(project, new TextEncoder().encode(canonicalJson(value)))).sha256;
}

/** Reads a stored value and checks it against its shape. */
export async function getJson<S extends z.ZodType>(objects: Objects, project: string, sha256: string, shape: S): Promise<z.output<S>> {
  const bytes = await objects.read(project, sha256, JSON_OBJECT_LIMIT_BYTES);
  const value: Json = parseJson(new TextDecoder().decode(bytes));
  return shape.parse(value);
}
