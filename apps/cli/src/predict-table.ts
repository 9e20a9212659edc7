import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client } from '@slipway/client';
import { InvalidError } from '@slipway/kernel';
import type { BatchFormat, BatchResult } from '@slipway/project/contract';
import type { Command } from 'commander';
import { withClient } from './connect.ts';
import { followRun } from './follow-run.ts';
import { readableSize } from './local-file.ts';
import { globalOptions, parseList, parseNumber } from './options.ts';
import { type Output, createOutput, printResult } from './output.ts';
import { READ_FLAGS, type ReadFlags, readOf } from './read-flags.ts';

/** Flags of `slipway predict NAME FILE -o FILE`. */
export interface BatchFlags extends ReadFlags {
  readonly output?: string;
  readonly keep?: string;
  readonly rejects?: string;
  readonly revision?: string;
}

const TABLE_FILE = /\.(?:csv|tsv|parquet|ndjson|jsonl|json)(?:\.gz)?$/i;

/** Whether the rows are a table's: an output was named, or the argument is a file of that kind and no JSON. */
export async function isBatch(rows: string, flags: BatchFlags): Promise<boolean> {
  if (flags.output !== undefined) return true;
  const other = (['keep', 'rejects', 'revision', ...READ_FLAGS] as const).find((flag) => flags[flag] !== undefined);
  const isTable = TABLE_FILE.test(rows) && !/^[[{@]/.test(rows.trim()) && (await stat(rows).catch(() => undefined)) !== undefined;
  if (!isTable && other === undefined) return false;
  throw new InvalidError(
    isTable ? `"${rows}" is a table; say where its predictions go.` : `--${other} is about tables; say where their predictions go.`,
    {
      help: `slipway predict NAME ${isTable ? rows : 'input.csv'} -o predictions.parquet`,
    },
  );
}

const FORMATS: Readonly<Record<string, BatchFormat>> = { '.parquet': 'parquet', '.csv': 'csv', '.ndjson': 'ndjson', '.jsonl': 'ndjson' };

/** Uploads the table, starts the run, follows it, and fetches what it wrote. */
export async function predictTable(release: string, input: string, flags: BatchFlags, command: Command): Promise<void> {
  const options = globalOptions(command);
  const output = createOutput(options.json);
  const target = resolve(flags.output ?? '');
  const format = FORMATS[extname(target).toLowerCase()];
  if (format === undefined) {
    throw new InvalidError(`--output: "${basename(target)}" has no ending that names a format.`, {
      help: 'Use .parquet, .csv or .ndjson.',
    });
  }
  if (resolve(input) === target) throw new InvalidError('--output: the input would be overwritten.', { help: 'Name another file.' });
  const revision = parseNumber('--revision', flags.revision, { min: 1, max: 1_000_000, whole: true });
  const rejectsPath = flags.rejects === undefined ? besideOf(target) : resolve(flags.rejects);
  const read = readOf(flags);
  await readableSize(input);
  await withClient(options, output, async (client) => {
    const keep = flags.keep === 'all' ? ('all' as const) : parseList(flags.keep);
    const body = { release, format, keep, read, ...(revision === undefined ? {} : { revision }) };
    const result = await runBatch(client, input, body, output);
    if (result.output) await download(client, result.run, 'output', target);
    if (result.rejects) await download(client, result.run, 'rejects', rejectsPath);
    const shown = { ...result, outputFile: result.output ? target : null, rejectsFile: result.rejects ? rejectsPath : null };
    printResult(output, shown, () => showBatch(shown));
  });
}

/** `predictions.csv` -> `predictions.rejects.csv`. */
function besideOf(target: string): string {
  const ending = extname(target);
  return `${target.slice(0, target.length - ending.length)}.rejects${ending}`;
}

type BatchBody = Omit<Parameters<Client['batches']['start']>[0], 'input'>;

function runBatch(client: Client, input: string, body: BatchBody, output: Output): Promise<BatchResult> {
  return followRun(client, output, {
    start: async (upload) => client.batches.start({ ...body, input: await upload(input) }),
    follow: (run, onEvent) => client.batches.follow(run, onEvent),
  });
}

/** Writes beside the target and renames: nobody meets half a file. */
async function download(client: Client, run: string, file: 'output' | 'rejects', target: string): Promise<void> {
  const part = `${target}.part`;
  try {
    await pipeline(
      Readable.fromWeb((await client.batches.file(run, file)) as Parameters<typeof Readable.fromWeb>[0]),
      createWriteStream(part),
    );
    await rename(part, target);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

interface ShownBatch extends BatchResult {
  readonly outputFile: string | null;
  readonly rejectsFile: string | null;
}

function showBatch(result: ShownBatch): string {
  const { release, revision, version, predicted, rejected, rows, notes, outputFile, rejectsFile, run } = result;
  return [
    `${predicted} of ${rows} rows predicted by ${release} revision ${revision} (${version})`,
    ...(outputFile === null ? ['no row could be predicted, so there is no output'] : [`predictions: ${outputFile}`]),
    ...(rejectsFile === null ? [] : [`${rejected} rows set aside, with reasons: ${rejectsFile}`]),
    ...notes.map((note) => `note: ${note}`),
    `run ${run}`,
  ].join('\n');
}
