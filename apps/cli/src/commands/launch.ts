import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { Contract, FieldRole, InvalidError, parseJson, toName } from '@slipway/kernel';
import { LaunchDefinition, LaunchTask, TRAIN_SECONDS_DEFAULT, TRAIN_SECONDS_MAX } from '@slipway/project/contract';
import type { Command } from 'commander';
import { noteUnserved, withClient } from '../connect.ts';
import { type ForecastFlags, addForecastFlags, forecastOf } from '../forecast-flags.ts';
import { flagOf } from '../flag-names.ts';
import { launchFiles } from '../launch-file.ts';
import { parseInteractions, parseLoss, parseMonotone } from '../learning-flags.ts';
import { type ModelFlags, addModelFlags, isModelFile, launchModelFile } from '../launch-model.ts';
import { readableSize } from '../local-file.ts';
import { type ObjectiveFlags, addObjectiveFlags, parseObjective } from '../objective-flags.ts';
import { globalOptions, parseList, parseNumber } from '../options.ts';
import { createOutput, printResult } from '../output.ts';
import { conductGates, fairColumns } from '../conduct-gates.ts';
import { type ReadFlags, addReadFlags, readOf } from '../read-flags.ts';
import { type RetrainFlags, addRetrainFlags, retrainOf } from '../retrain-flags.ts';
import { type RulesFlags, addRulesFlags, rulesOf } from '../rules-flags.ts';
import { rolloutOf } from '../rollout-flags.ts';
import { servingOf } from '../serving-flags.ts';
import { saveConfig, savePath } from '../save-config.ts';
import { type UnsupervisedFlags, addUnsupervisedFlags, unsupervisedOf } from '../unsupervised-flags.ts';
import { gateAdvice, showLaunch } from '../show-launch.ts';

interface LaunchFlags extends ObjectiveFlags, ForecastFlags, RulesFlags, UnsupervisedFlags, ModelFlags, ReadFlags, RetrainFlags {
  readonly target?: string;
  readonly test?: string;
  readonly contract?: string;
  readonly exclude?: string;
  readonly as?: readonly string[];
  readonly name?: string;
  readonly dataset?: string;
  readonly positive?: string;
  readonly time?: string;
  readonly group?: string;
  readonly sensitive?: string;
  readonly mitigate?: string;
  readonly fair?: string;
  readonly robust?: string | boolean;
  readonly immutable?: string;
  readonly subject?: string;
  readonly split?: string;
  readonly testRatio?: string;
  readonly task?: string;
  readonly query?: string;
  readonly loss?: string;
  readonly monotone?: readonly string[];
  readonly interactions?: readonly string[];
  readonly seconds?: string;
  readonly seed?: string;
  readonly acceptLeak?: string;
  readonly environment?: string;
  readonly rollout?: string;
  readonly serving?: string;
  readonly recording?: string;
  readonly force?: boolean;
  readonly save?: string | boolean;
}

export function addLaunch(program: Command): void {
  const launch = program
    .command('launch')
    .description('from a table to a gated, released, recorded prediction API')
    .argument('<file>', 'a table (CSV, Parquet, JSON or NDJSON; gzip is fine) or a model made elsewhere (ONNX)')
    .option('--target <column>', 'the column to predict; with model.onnx, the truth in the reference data')
    .option('--test <file>', 'judge by this file instead of a split')
    .option('--name <name>', 'name of the model and its release (default: the file name)')
    .option('--dataset <name>', 'name of the dataset (default: the name)');
  addReadFlags(launch)
    .option('--contract <file>', 'a saved contract (slipway datasets NAME --contract FILE) that the data must meet')
    .option('--exclude <a,b>', 'columns not to learn from')
    .option('--as <column=role>', 'role of a column: numeric, categorical, boolean, time, text, identifier, ignored', collect, [])
    .option('--positive <label>', 'the label that counts as positive')
    .option(
      '--task <task>',
      'binary, multiclass, regression, ranking, forecast (default: found by the target); without one: cluster, reduce, anomaly',
    )
    .option('--query <column>', 'rows with the same value compete: learn to rank them')
    .option('--loss <loss>', 'squared, absolute, quantile:0.9, poisson, tweedie:1.5, lambdarank (default: by the task)')
    .option('--monotone <column=direction>', 'the prediction only rises (increasing) or falls (decreasing) with the column', collect, [])
    .option('--interactions <a+b,c+d>', 'columns that may act together; all others act alone', collect, []);
  addObjectiveFlags(launch)
    .option('--time <column>', 'split by this time: the last rows are the test')
    .option('--group <column>', 'keep rows of one group on one side of the split')
    .option('--sensitive <a,b>', 'columns that fairness is measured by')
    .option(
      '--mitigate <method>',
      'reweighing, thresholds or thresholds:equal_opportunity: lessen disparities between the groups of --sensitive',
    )
    .option('--fair <column=ratio>', 'a gate: selection rates (or mean predictions) of its groups within this ratio, e.g. sex=0.8')
    .option('--robust [test=share]', 'a gate: decisions that change unnoticed when rows are spoilt, e.g. typo=0.05 (default: all tests)')
    .option('--immutable <a,b>', 'columns that no counterfactual changes; the sensitive ones never are')
    .option('--subject <column>', 'the column that says whose data a row is; erasure goes by it')
    .option('--split <strategy>', 'stratified, random, group, time (default: found by task and columns)')
    .option('--test-ratio <share>', 'share of rows to judge by (default: 0.2)')
    .option('--seconds <n>', `time for the search (default: ${TRAIN_SECONDS_DEFAULT})`)
    .option('--seed <n>', 'seed of split and training')
    .option('--accept-leak <a,b>', 'columns that look like leaks and are not; @near-duplicates, @groups, @time-order for the split')
    .option('--environment <label>', 'label of the release (default: production)')
    .option(
      '--rollout <strategy[:shares]>',
      'canary, canary:5,25,50, ab:50 or shadow: how it takes over from a live revision (default: at once)',
    )
    .option('--serving <settings>', 'how it is run: threads=2,lanes=2,lane=worker,maxBatchRows=64,… (default: found by measuring)')
    .option('--recording <policy>', 'full, redacted or none (default: full)')
    .option('--force', 'release although a gate failed; recorded with your name')
    .option('--save [file]', 'write what was launched as slipway.config.ts');
  addRetrainFlags(launch);
  addRulesFlags(launch);
  addUnsupervisedFlags(launch);
  addModelFlags(launch);
  addForecastFlags(launch).action(async (file: string, flags: LaunchFlags, command: Command) =>
    (await isModelFile(file)) ? launchModelFile(file, { ...flags }, command) : launchTable(file, flags, command),
  );
}

async function launchTable(file: string, flags: LaunchFlags, command: Command): Promise<void> {
  requireTableFlags(file, flags);
  const options = globalOptions(command);
  const output = createOutput(options.json);
  const given = {
    contract: flags.contract === undefined ? undefined : await readContract(flags.contract),
    ...(await rulesOf(flags, flags.target ?? '')),
  };
  const definition = definitionOf(file, flags, given);
  for (const path of flags.test === undefined ? [file] : [file, flags.test]) await readableSize(path);
  const { result, through } = await withClient(options, output, async (client, connection) => {
    const launched = await launchFiles(
      client,
      { definition, dataPath: file, testPath: flags.test, force: flags.force === true, mode: 'always' },
      output,
    );
    const target = savePath(flags.save);
    if (target !== undefined) {
      await saveConfig(target, await client.launches.resolved(launched.run), { dataPath: file, testPath: flags.test });
      output.note(`saved ${target}`);
    }
    return { result: launched, through: connection.through };
  });
  printResult(output, result, () => showLaunch(result));
  if (result.release) return noteUnserved(output, through, options);
  // With --json the advice stays for whoever reads the log of a script.
  if (output.json) output.note(gateAdvice(result));
  process.exitCode = 3;
}

/** Tasks that learn without a target. */
const UNSUPERVISED: ReadonlySet<string> = new Set(['cluster', 'reduce', 'anomaly']);

const TASKS: readonly string[] = [...LaunchTask.options, 'forecast', ...UNSUPERVISED];

/** @throws {InvalidError} when the flags are those of a finished model, name no task, or say nothing to predict. */
function requireTableFlags(file: string, flags: LaunchFlags): void {
  const foreign = (['reference', 'classes', 'output', 'scores'] as const).find((flag) => flags[flag] !== undefined);
  if (foreign !== undefined) {
    throw new InvalidError(`--${foreign} is about a finished model, and "${basename(file)}" is no ONNX file.`, {
      help: 'slipway launch --help',
    });
  }
  if (flags.task !== undefined && !TASKS.includes(flags.task)) {
    throw new InvalidError(`--task must be one of ${TASKS.join(', ')}, got "${flags.task}".`, { help: 'slipway launch --help' });
  }
  if (flags.target !== undefined || UNSUPERVISED.has(flags.task ?? '')) return;
  throw new InvalidError("required option '--target <column>' not specified", { help: 'Name the column to predict: --target COLUMN' });
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** The definition that the flags mean. @throws {InvalidError} naming the flag. */
function definitionOf(
  file: string,
  flags: LaunchFlags,
  { contract, train, baseline }: Awaited<ReturnType<typeof rulesOf>> & { readonly contract: Contract | undefined },
): LaunchDefinition {
  const name =
    flags.name ??
    toName(
      basename(file)
        .replace(/\.gz$/i, '')
        .slice(0, -extname(file.replace(/\.gz$/i, '')).length || undefined),
      'model',
    );
  const seed = parseNumber('--seed', flags.seed, { min: 0, max: 2 ** 31, whole: true });
  const seconds = parseNumber('--seconds', flags.seconds, { min: 0.1, max: TRAIN_SECONDS_MAX }) ?? TRAIN_SECONDS_DEFAULT;
  const testRatio = parseNumber('--test-ratio', flags.testRatio, { min: 0.01, max: 0.99 });
  const unsupervised = unsupervisedOf(flags);
  const given = {
    name,
    dataset: flags.dataset ?? name,
    read: readOf(flags),
    ...defined({ contract }),
    target: flags.target,
    exclude: parseList(flags.exclude),
    as: Object.fromEntries((flags.as ?? []).flatMap(parseList).map(parseRole)),
    sensitive: [...new Set([...parseList(flags.sensitive), ...fairColumns(flags)])],
    ...defined({ mitigate: flags.mitigate, moreGates: conductGates(flags) }),
    immutable: parseList(flags.immutable),
    ...defined({ objective: parseObjective(flags) }),
    acceptLeak: parseList(flags.acceptLeak),
    ...defined({
      task: flags.task === 'forecast' || unsupervised ? undefined : flags.task,
      unsupervised,
      forecast: forecastOf(flags),
      query: flags.query,
      loss: parseLoss(flags.loss),
      monotone: parseMonotone(flags.monotone ?? []),
      interactions: parseInteractions(flags.interactions ?? []),
    }),
    train: train ?? { kind: 'auto', seconds },
    ...defined({ baseline }),
    split: defined({ strategy: flags.split, testRatio, seed }),
    ...defined({ positive: flags.positive, time: flags.time, group: flags.group, subject: flags.subject, seed }),
    ...defined({
      environment: flags.environment,
      recording: flags.recording,
      rollout: rolloutOf(flags.rollout),
      serving: servingOf(flags.serving),
      retrain: retrainOf(flags),
    }),
  };
  const parsed = LaunchDefinition.safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new InvalidError(`${flagOf(issue?.path ?? [])}: ${issue?.message ?? 'is not valid'}.`, {
    help: 'slipway launch --help',
  });
}

/** A contract saved with `slipway datasets NAME --contract FILE`. @throws {InvalidError} naming the file and what is wrong in it. */
async function readContract(file: string): Promise<Contract> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new InvalidError(`--contract: the file "${file}" cannot be read.`, { cause });
  });
  const parsed = Contract.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new InvalidError(`--contract: ${file} is no contract: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}.`);
}

function parseRole(text: string): [string, FieldRole] {
  const at = text.lastIndexOf('=');
  const role = FieldRole.safeParse(text.slice(at + 1));
  if (at < 1 || !role.success)
    throw new InvalidError(`--as wants column=role, got "${text}".`, { help: `Roles: ${FieldRole.options.join(', ')}` });
  return [text.slice(0, at), role.data];
}

function defined<T extends Record<string, unknown>>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}
