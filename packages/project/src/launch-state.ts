import { JsonShape } from '@slipway/kernel';
import { DecisionRule, Leak } from '@slipway/evaluation/contract';
import { z } from 'zod';

/**
 * What the steps of a launch hand to each other. Steps are stored with the run, so these hold references and numbers,
 * never rows.
 */
const Task = z.enum(['binary', 'multiclass', 'regression', 'ranking']);

export const DatasetStep = z.object({ dataset: z.string(), testDataset: z.string().nullable(), seconds: z.number() });
export type DatasetStep = z.infer<typeof DatasetStep>;

export const PlanStep = z.object({
  task: Task,
  classes: z.array(z.string()).nullable(),
  positive: z.string().nullable(),
  rows: z.object({ train: z.int(), test: z.int() }),
  split: z.object({ strategy: z.string(), testRatio: z.number(), seed: z.int(), together: z.int().optional() }),
  seed: z.int(),
  leaks: z.array(Leak),
  notes: z.array(z.object({ column: z.string(), note: z.string() })),
  /** Columns left out of training: asked for, or dropped as leaks. */
  leftOut: z.array(z.string()),
  gatesHash: z.string(),
  /** The version with this very recipe, when the trainer is given and it exists. */
  existing: z.string().nullable(),
  seconds: z.number(),
});
export type PlanStep = z.infer<typeof PlanStep>;

export const TrainStep = z.object({
  trainer: z.string(),
  params: z.record(z.string(), JsonShape),
  recipe: z.string(),
  onnx: z.string(),
  metadata: z.string(),
  leaderboard: z.string(),
  /** SHA-256 of what explains the version's answers. */
  explainer: z.string().optional(),
  /** From which probability on a binary model says "positive"; null for other tasks. */
  decision: DecisionRule.nullable().default(null),
  sizeBytes: z.int(),
  parity: z.object({ maxError: z.number() }),
  excluded: z.array(z.object({ column: z.string(), note: z.string() })),
  seconds: z.number(),
});
export type TrainStep = z.infer<typeof TrainStep>;

export const VersionStep = z.object({ version: z.string(), created: z.boolean(), recipe: z.string(), trainer: z.string() });
export type VersionStep = z.infer<typeof VersionStep>;

export const EvaluateStep = z.object({ report: z.string(), passed: z.boolean(), seconds: z.number() });
export type EvaluateStep = z.infer<typeof EvaluateStep>;

/** `rollout` is the run that watches how the revision takes over; null when it took all traffic at once. */
export const ReleaseStep = z.object({ name: z.string(), revision: z.int(), rollout: z.string().nullable().default(null) }).nullable();
export type ReleaseStep = z.infer<typeof ReleaseStep>;

/** What the catalog keeps of a model version beyond what the loader of models needs. */
export const LaunchedModelMeta = z.object({
  onnx: z.string(),
  metadata: z.string(),
  /** SHA-256 of the sketches that monitors compare with. */
  referenceSketches: z.string().optional(),
  task: Task,
  classes: z.array(z.string()).nullable(),
  positive: z.string().nullable(),
  target: z.string(),
  trainer: z.string(),
  params: z.record(z.string(), JsonShape),
  seed: z.int(),
  parity: z.object({ maxError: z.number() }),
  leaderboard: z.string(),
  /** Columns that had nothing to learn from, and why. */
  excluded: z.array(z.object({ column: z.string(), note: z.string() })).optional(),
  decision: DecisionRule.nullable().optional(),
  /** The rows it learnt from; tells whether another version may have seen the rows it is judged by. */
  trainedOn: z
    .object({
      data: z.string(),
      split: z.object({ strategy: z.string(), testRatio: z.number(), seed: z.int(), by: z.string().nullable() }),
    })
    .optional(),
  /** SHA-256 of what explains its answers; absent for versions made before there were explanations. */
  explainer: z.string().optional(),
  /** Sensitive columns whose values are groups: what monitors compare live decisions by unless told otherwise. */
  sensitive: z.array(z.string()).optional(),
});
export type LaunchedModelMeta = z.infer<typeof LaunchedModelMeta>;

/** What any model version made by a launch or an import keeps, as far as monitors and pages read it. */
export const AnyModelMeta = z.object({
  /** SHA-256 of JSON with the input `contract`. */
  metadata: z.string(),
  referenceSketches: z.string().optional(),
  task: z.string(),
  classes: z.array(z.string()).nullable().default(null),
  positive: z.string().nullable().default(null),
  trainer: z.string(),
  leaderboard: z.string().optional(),
  sensitive: z.array(z.string()).default([]),
});
export type AnyModelMeta = z.infer<typeof AnyModelMeta>;

export const ReportMeta = z.object({ report: z.string(), version: z.string(), gatesHash: z.string(), passed: z.boolean() });
export type ReportMeta = z.infer<typeof ReportMeta>;
