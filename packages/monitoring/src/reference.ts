import { FieldSketch } from '@slipway/statistics';
import { z } from 'zod';
import { ReferenceInvalidError } from './errors.ts';

const StoredReference = z.object({ format: z.literal('slipway.sketches/1'), fields: z.record(z.string(), z.unknown()) });

/** The sketches of a stored reference, as launch wrote them. @throws {ReferenceInvalidError} */
export function readReference(json: unknown): Map<string, FieldSketch> {
  const parsed = StoredReference.safeParse(json);
  if (!parsed.success) throw invalid(parsed.error);
  try {
    return new Map(Object.entries(parsed.data.fields).map(([field, sketch]) => [field, FieldSketch.fromJson(sketch)]));
  } catch (cause) {
    throw invalid(cause);
  }
}

function invalid(cause: unknown): ReferenceInvalidError {
  return new ReferenceInvalidError('The sketches that this version is compared with cannot be read.', {
    cause,
    help: 'Launch the model again to make them anew.',
  });
}
