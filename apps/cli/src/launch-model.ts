import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Client } from '@slipway/client';
import { InvalidError, toName } from '@slipway/kernel';
import { ModelLaunchDefinition, type ModelLaunchResult } from '@slipway/project/contract';
import type { Command } from 'commander';
import { noteUnserved, withClient } from './connect.ts';
import { followRun } from './follow-run.ts';
import { readableSize } from './local-file.ts';
import { globalOptions, parseList } from './options.ts';
import { type Output, createOutput, printResult, short, table } from './output.ts';
import { READ_FLAGS, type ReadFlags, readOf } from './read-flags.ts';
import { rolloutOf } from './rollout-flags.ts';
import { servingOf } from './serving-flags.ts';
import { saveModelConfig, savePath } from './save-config.ts';

/** Flags that only a model made elsewhere has. */
export interface ModelFlags {
  readonly reference?: string;
  readonly classes?: string;
  readonly output?: string;
  readonly scores?: string;
}

export function addModelFlags(command: Command): Command {
  return command
    .option('--reference <file>', 'model.onnx: rows it was trained or tested on, for names, ranges and monitors')
    .option('--classes <a,b,c>', 'model.onnx: labels in the order of its scores; of two the last is the positive one')
    .option('--output <name>', 'model.onnx: which of its outputs is the answer')
    .option('--scores <kind>', 'model.onnx: probabilities or logits (default: by their values)');
}

/** Flags of a table launch that a model made elsewhere understands, too. */
const SHARED: ReadonlySet<string> = new Set([
  'target',
  'name',
  'dataset',
  ...READ_FLAGS,
  'exclude',
  'as',
  'task',
  'subject',
  'environment',
  'recording',
  'rollout',
  'serving',
  'reference',
  'classes',
  'output',
  'scores',
  'save',
  'home',
  'port',
  'url',
  'project',
  'json',
]);

/** Told by the name; a file without one is told by what it begins with: ONNX files start with their IR version. */
export async function isModelFile(path: string): Promise<boolean> {
  if (/\.onnx$/i.test(path)) return true;
  if (/\.[a-z0-9]{1,8}$/i.test(basename(path))) return false;
  const file = await open(path).catch(() => undefined);
  if (!file) return false;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && buffer[0] === 0x08 && (buffer[1] as number) >= 3 && (buffer[1] as number) <= 20 && buffer[2] === 0x12;
  } finally {
    await file.close();
  }
}

type Flags = Readonly<Record<string, unknown>> & ModelFlags & ReadFlags;

/** The definition that the flags mean. @throws {InvalidError} naming the flag. */
export function modelDefinitionOf(file: string, flags: Flags): ModelLaunchDefinition {
  const foreign = Object.entries(flags).find(
    ([flag, value]) => !SHARED.has(flag) && value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  if (foreign) {
    const flag = foreign[0].replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new InvalidError(`--${flag} is about training; "${basename(file)}" is a finished model.`, { help: 'slipway launch --help' });
  }
  const text = (name: string) => (typeof flags[name] === 'string' ? (flags[name] as string) : undefined);
  const list = (name: string) => (text(name) === undefined ? undefined : parseList(text(name)));
  // Columns of a finished model are those of its wide input, not of the reference data.
  const { columns: _wide, ...reading } = flags;
  const given = {
    name: text('name') ?? toName(basename(file).replace(/\.onnx$/i, ''), 'model'),
    dataset: text('dataset'),
    read: readOf(reading),
    target: text('target'),
    exclude: list('exclude'),
    subject: text('subject'),
    columns: list('columns'),
    as: Object.fromEntries(((flags['as'] as readonly string[] | undefined) ?? []).flatMap(parseList).map(splitRole)),
    task: text('task'),
    classes: list('classes'),
    output: text('output'),
    scores: text('scores'),
    recording: text('recording'),
    environment: text('environment'),
    rollout: rolloutOf(text('rollout')),
    serving: servingOf(text('serving')),
  };
  const parsed = ModelLaunchDefinition.safeParse(clean(given));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new InvalidError(`--${issue?.path.join('.').replace(/^read\./, '') ?? ''}: ${issue?.message ?? 'is not valid'}.`, {
    help: 'slipway launch --help',
  });
}

function splitRole(text: string): [string, string] {
  const at = text.lastIndexOf('=');
  if (at < 1) throw new InvalidError(`--as wants column=role, got "${text}".`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function clean(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** `slipway launch model.onnx`: uploads, starts the run and follows it. */
export async function launchModelFile(file: string, flags: Flags, command: Command): Promise<void> {
  const output = createOutput(globalOptions(command).json);
  const definition = modelDefinitionOf(file, flags);
  const { reference } = flags;
  if (definition.target !== undefined && reference === undefined) {
    throw new InvalidError('--target names a column of the reference data, and there are none.', {
      help: 'Give them with --reference FILE.',
    });
  }
  for (const path of reference === undefined ? [file] : [file, reference]) await readableSize(path);
  const options = globalOptions(command);
  await withClient(options, output, async (client, { through }) => {
    const result = await runModelLaunch(client, { definition, modelPath: file, referencePath: reference, mode: 'always' }, output);
    const target = savePath(flags['save']);
    if (target !== undefined) {
      await saveModelConfig(target, definition, { modelPath: file, referencePath: reference });
      output.note(`saved ${target}`);
    }
    printResult(output, result, () => showModelLaunch(result));
    noteUnserved(output, through, options);
  });
}

export interface ModelLaunchFiles {
  readonly definition: ModelLaunchDefinition;
  readonly modelPath: string;
  readonly referencePath: string | undefined;
  readonly mode: 'always' | 'when-changed';
}

export function runModelLaunch(client: Client, files: ModelLaunchFiles, output: Output): Promise<ModelLaunchResult> {
  const { definition, modelPath, referencePath, mode } = files;
  return followRun(client, output, {
    async start(upload) {
      const model = await upload(modelPath);
      const reference = referencePath === undefined ? undefined : await upload(referencePath);
      return client.launches.startModel({ definition, model, ...(reference ? { reference } : {}), mode });
    },
    follow: (run, onEvent) => client.launches.followModel(run, onEvent),
  });
}

/** Columns shown of a model that takes many. */
const INPUTS_SHOWN = 12;

export function showModelLaunch(result: ModelLaunchResult): string {
  const { task, classes, producer, inputs, release, version, created, metrics, notes, example } = result;
  const shown = inputs.slice(0, INPUTS_SHOWN).map(({ name, type, nullable }) => `${name} ${type}${nullable ? '?' : ''}`);
  const more = inputs.length > INPUTS_SHOWN ? `, and ${inputs.length - INPUTS_SHOWN} more` : '';
  const parts = [
    `${task} model${producer === '' ? '' : ` by ${producer}`}${classes ? `, classes ${classes.slice(0, 8).join(', ')}${classes.length > 8 ? ', …' : ''}` : ''}`,
    `version ${version}${created ? '' : ' (already there: same file and options)'}`,
    `takes ${shown.join(', ')}${more} (? may be missing)`,
    ...notes.map((note) => `note: ${note}`),
  ];
  const measured = Object.entries(metrics).map(([name, { value, low, high }]) => [name, short(value), `${short(low)} … ${short(high)}`]);
  const judged = measured.length === 0 ? [] : ['', 'on the reference rows:', table(measured, ['metric', 'value', '95 % interval'])];
  return [
    ...parts,
    ...judged,
    '',
    `${release.name} revision ${release.revision} is live: ${release.url}`,
    `slipway predict ${release.name} '${JSON.stringify(example)}'`,
  ].join('\n');
}
