import { FieldRole, Name, RecordingPolicy, ServingSettings } from '@slipway/kernel';
import { ForeignOptions } from '@slipway/models/contract';
import { MonitorSettings } from '@slipway/monitoring/contract';
import { RolloutOptions } from '@slipway/releases/rollout-contract';
import { z } from 'zod';
import { ReadOptions } from '../read-options.ts';

const columnName = z.string().min(1).max(256);
const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const UploadedBytes = z.strictObject({ sha256: Sha256, fileName: z.string().min(1).max(512) });

/** Everything that decides how a model made elsewhere is served. */
export const ModelLaunchDefinition = z.strictObject({
  name: Name,
  release: Name.optional(),
  /** Name of the dataset that the reference data become. */
  dataset: Name.optional(),
  /** How the reference data are read. */
  read: ReadOptions.default({}),
  /** The column of the reference data that holds the truth: then the model is judged by it. */
  target: columnName.optional(),
  /** Columns of the reference data that the model does not take. */
  exclude: z.array(columnName).max(2_000).default([]),
  subject: columnName.optional(),
  columns: ForeignOptions.shape.columns,
  as: z.record(columnName, FieldRole).default({}),
  task: ForeignOptions.shape.task,
  classes: ForeignOptions.shape.classes,
  output: ForeignOptions.shape.output,
  scores: ForeignOptions.shape.scores,
  recording: RecordingPolicy.default('full'),
  environment: z.string().min(1).max(64).default('production'),
  /** How the new revision takes over from a live one; at once when left out. */
  rollout: RolloutOptions.optional(),
  /** How the release runs the model; what is left out is chosen by measuring. */
  serving: ServingSettings.optional(),
  /** What the release is watched for; when left out, what was set before stays. */
  monitor: MonitorSettings.optional(),
});
export type ModelLaunchDefinition = z.infer<typeof ModelLaunchDefinition>;

export const ModelLaunchRequest = z.strictObject({
  definition: ModelLaunchDefinition,
  model: UploadedBytes,
  /** Rows that the model was trained or tested on: names, ranges and distributions for monitors. */
  reference: UploadedBytes.optional(),
  /** `always` makes a revision; `when-changed` leaves the live one when it pins the same version. */
  mode: z.enum(['always', 'when-changed']).default('always'),
});
export type ModelLaunchRequest = z.infer<typeof ModelLaunchRequest>;

const interval = z.object({ value: z.number().nullable(), low: z.number().nullable(), high: z.number().nullable() });

/** What a launch of a model made elsewhere prints and its run returns. */
export const ModelLaunchResult = z.object({
  release: z.object({ name: z.string(), url: z.string(), revision: z.int(), rollout: z.string().nullable().default(null) }),
  version: z.string(),
  created: z.boolean(),
  task: z.enum(['binary', 'multiclass', 'regression']),
  classes: z.array(z.string()).nullable(),
  producer: z.string(),
  inputs: z.array(z.object({ name: z.string(), type: z.string(), role: z.string(), nullable: z.boolean() })),
  reference: z.string().nullable(),
  /** On the reference rows, when they have the truth. Rows the model learnt from flatter it. */
  metrics: z.record(z.string(), interval),
  notes: z.array(z.string()),
  example: z.record(z.string(), z.unknown()),
  run: z.string(),
});
export type ModelLaunchResult = z.infer<typeof ModelLaunchResult>;
