import { z } from 'zod';

/** What the steps hand to each other: references and numbers, never rows. */
export const ReferenceStep = z.object({ dataset: z.string() }).nullable();
export type ReferenceStep = z.infer<typeof ReferenceStep>;

export const ImportStep = z.object({ onnx: z.string(), metadata: z.string(), notes: z.array(z.string()) });
export type ImportStep = z.infer<typeof ImportStep>;

const interval = z.object({ value: z.number().nullable(), low: z.number().nullable(), high: z.number().nullable() });

export const ImportedVersionStep = z.object({ version: z.string(), created: z.boolean(), metrics: z.record(z.string(), interval) });
export type ImportedVersionStep = z.infer<typeof ImportedVersionStep>;
