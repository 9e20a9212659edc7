import { FieldSketch } from '@slipway/statistics';
import { z } from 'zod';
import { ReferenceInvalidError } from './errors.ts';
import { QualityReference } from './quality/quality-reference.ts';

const StoredReference = z.object({
  format: z.literal('slipway.sketches/1'),
  fields: z.record(z.string(), z.unknown()),
  /** Absent for versions made before quality could be estimated. */
  quality: QualityReference.optional(),
});

/** What a version's monitors compare with. */
export interface Reference {
  readonly fields: ReadonlyMap<string, FieldSketch>;
  readonly quality: QualityReference | undefined;
}

/** A stored reference, as launch wrote it. @throws {ReferenceInvalidError} */
export function readReference(json: unknown): Reference {
  const parsed = StoredReference.safeParse(json);
  if (!parsed.success) throw invalid(parsed.error);
  try {
    const fields = new Map(Object.entries(parsed.data.fields).map(([field, sketch]) => [field, FieldSketch.fromJson(sketch)]));
    return { fields, quality: parsed.data.quality };
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
