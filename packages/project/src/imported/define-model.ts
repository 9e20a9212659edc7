import { type FieldRole, InvalidError } from '@slipway/kernel';
import type { ForeignOptions } from '@slipway/models/contract';
import type { z } from 'zod';
import type { DatasetDefinition, ProjectDefinition, ReleaseDefinition, SourceDefinition } from '../define.ts';
import { ModelLaunchDefinition } from './contract.ts';

type Foreign = z.input<typeof ForeignOptions>;

/** A model made elsewhere: an ONNX file, and what its graph does not say. */
export interface FinishedModelOptions {
  /** The file: `file('model.onnx')`. */
  readonly onnx: SourceDefinition;
  /** Rows it was trained or tested on: names, ranges, and what monitors compare with; `parquet('rows.parquet')`, or a dataset. */
  readonly reference?: SourceDefinition | DatasetDefinition;
  /** The column of the reference data that holds the truth: then the model is judged by it. */
  readonly target?: string;
  readonly task?: Foreign['task'];
  /** Names of the columns of a wide input, in its order. */
  readonly columns?: Foreign['columns'];
  /** Labels in the order of its scores; of two the last is the positive one. */
  readonly classes?: Foreign['classes'];
  /** Which of its outputs is the answer. */
  readonly output?: Foreign['output'];
  readonly scores?: Foreign['scores'];
  /** Columns of the reference data that the model does not take. */
  readonly exclude?: readonly string[];
  readonly as?: Readonly<Record<string, FieldRole>>;
  /** The column that says whose data a row is. */
  readonly subject?: string;
}

export interface FinishedModelDefinition extends FinishedModelOptions {
  readonly type: 'model';
  readonly name: string;
}

/** The launch of one finished model, with the paths of its files as written. */
export interface PlannedModelLaunch {
  readonly definition: ModelLaunchDefinition;
  readonly modelPath: string;
  readonly referencePath: string | undefined;
}

/** The launches of finished models that a project comes down to, one a release. @throws {InvalidError} naming release and field. */
export function planModelLaunches(project: ProjectDefinition): PlannedModelLaunch[] {
  return project.definitions.flatMap((each): PlannedModelLaunch[] =>
    each.type === 'release' && 'onnx' in each.serve ? [planModelLaunch(each, each.serve)] : [],
  );
}

function planModelLaunch(served: ReleaseDefinition, model: FinishedModelDefinition): PlannedModelLaunch {
  const { reference, onnx } = model;
  const data = reference?.type === 'dataset' ? reference : undefined;
  const source = reference?.type === 'dataset' ? reference.source : reference;
  const given = {
    name: model.name,
    release: served.name === model.name ? undefined : served.name,
    dataset: data?.name,
    read: source?.read,
    target: model.target,
    exclude: both(data?.exclude, model.exclude),
    subject: model.subject ?? data?.subject,
    columns: model.columns,
    as: { ...data?.as, ...model.as },
    task: model.task,
    classes: model.classes,
    output: model.output,
    scores: model.scores,
    recording: served.recording,
    environment: served.environment,
    rollout: served.rollout,
    serving: served.serving,
    monitor: served.monitor,
  };
  if (model.target !== undefined && !source)
    throw new InvalidError(`Release "${served.name}": target: names a column of the reference data, and there are none.`, {
      help: "Give them: reference: parquet('rows.parquet').",
    });
  if (served.retrain !== undefined)
    throw new InvalidError(`Release "${served.name}": retrain: a model made elsewhere cannot be trained again here.`, {
      help: 'Leave it out, and apply a newer file.',
    });
  const parsed = ModelLaunchDefinition.safeParse(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
  if (parsed.success) return { definition: parsed.data, modelPath: onnx.path, referencePath: source?.path };
  const issue = parsed.error.issues[0];
  throw new InvalidError(`Release "${served.name}": ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is not valid'}.`);
}

function both(left: readonly string[] = [], right: readonly string[] = []): string[] {
  return [...new Set([...left, ...right])];
}
