import { Contract, JsonShape } from '@slipway/kernel';
import { z } from 'zod';
import { CLASS_LIMIT } from './foreign/options.ts';
import { GROUP_THRESHOLD_LIMIT, GroupThreshold } from './group-thresholds.ts';

export { CLASS_LIMIT, ForeignOptions } from './foreign/options.ts';

/** Most encoded features that metadata names. */
export const FEATURE_LIMIT = 100_000;

/** `ranking` predicts a number like a regression; only its order within a query means something. */
export const ModelTask = z.enum(['binary', 'multiclass', 'regression', 'ranking']);
export type ModelTask = z.infer<typeof ModelTask>;

/** What stands next to an ONNX file: which columns it takes, and what its numbers mean. Stored as canonical JSON. */
export const ModelMetadata = z
  .strictObject({
    format: z.literal('slipway.model/1'),
    task: ModelTask,
    /** The column that was learnt. */
    target: z.string().min(1).max(256),
    /** Labels in the order of the graph's probabilities; null for regression. */
    classes: z.array(z.string()).min(2).max(CLASS_LIMIT).nullable(),
    /** The label that counts as positive: the last of two classes; null unless binary. */
    positive: z.string().nullable(),
    /** What callers send. Fields whose role feeds a model are inputs of the graph, under the same names. */
    contract: Contract,
    /** Names of the encoded features, in the order of the graph's `features` output. */
    features: z.array(z.string()).max(FEATURE_LIMIT),
    trainer: z.string().min(1),
    params: z.record(z.string(), JsonShape),
    seed: z.union([z.int(), z.string()]),
    /** Binary models: groups of rows that are decided by a threshold of their own; all others by the common one. */
    groupThresholds: z.array(GroupThreshold).max(GROUP_THRESHOLD_LIMIT).optional(),
    /** Binary: answers name the positive class from this probability on; without it the likelier class. The graph itself is not changed. */
    decision: z.strictObject({ threshold: z.number().min(0).max(1) }).optional(),
    /** Whatever else the maker wants to keep: rows, split, parity, versions. */
    notes: z.record(z.string(), JsonShape).optional(),
  })
  .superRefine((metadata, context) => {
    const { task, classes, positive } = metadata;
    const fail = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    const isClassifier = task === 'binary' || task === 'multiclass';
    if (isClassifier === (classes === null)) fail('classes', 'a classifier has classes, a regression and a ranking have none');
    if (classes !== null && new Set(classes).size !== classes.length) fail('classes', 'labels are distinct');
    if (metadata.decision && task !== 'binary') fail('decision', 'only a binary model has a threshold');
    if (task === 'binary' && classes?.length !== 2) fail('classes', 'a binary model has two classes');
    if (task === 'binary' ? positive !== classes?.at(-1) : positive !== null) fail('positive', 'the positive class is the last of two');
  });
export type ModelMetadata = z.infer<typeof ModelMetadata>;

/** What a call of a model answers. `prediction` is a label, or a number for regression. */
export const ModelAnswer = z.strictObject({
  prediction: z.union([z.string(), z.number()]),
  probabilities: z.record(z.string(), z.number()).optional(),
});
export type ModelAnswer = z.infer<typeof ModelAnswer>;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** What the catalog keeps of a model version: where its bytes lie, and its metadata (an object's hash, or the value itself). */
export const ModelVersionMeta = z.object({ onnx: Sha256, metadata: z.union([Sha256, ModelMetadata]) });
export type ModelVersionMeta = z.infer<typeof ModelVersionMeta>;

/** The contract of a model's answers, for monitors and clients. */
export function answerContract(metadata: ModelMetadata): Contract {
  const shared = { nullable: false, expect: {}, severity: 'error' } as const;
  if (metadata.classes === null) {
    return { format: 'slipway.contract/1', fields: [{ name: 'prediction', type: 'float64', role: 'numeric', ...shared }], ignored: [] };
  }
  const expect = { allowedValues: metadata.classes };
  return {
    format: 'slipway.contract/1',
    fields: [
      { name: 'prediction', type: 'string', role: 'categorical', ...shared, expect },
      { name: 'probabilities', type: 'json', role: 'ignored', ...shared },
    ],
    ignored: [],
  };
}
