import { writeFile } from 'node:fs/promises';
import type { Client } from '@slipway/client';
import type { Command } from 'commander';
import { withClient } from '../connect.ts';
import { globalOptions, parseNumber } from '../options.ts';
import { type Output, createOutput, printResult, short, table } from '../output.ts';

interface DatasetFlags {
  readonly contract?: string;
  readonly rows?: string;
  readonly limit: string;
}

/** What is in the data: versions, profiles, contracts, rows. */
export function addDatasets(program: Command): void {
  program
    .command('datasets')
    .description('list dataset versions, or show the profile of one')
    .argument('[dataset]', 'name, name:number or id')
    .option('--contract <file>', 'save its contract, to be edited and given to launch --contract')
    .option('--rows <n>', 'show its first rows instead')
    .option('--limit <n>', 'how many to list', '20')
    .action(async (name: string | undefined, flags: DatasetFlags, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      await withClient(options, output, async (client) => {
        if (name === undefined) await listDatasets(client, output, flags);
        else if (flags.contract !== undefined) await saveContract(client, output, name, flags.contract);
        else if (flags.rows !== undefined) await showRows(client, output, name, flags.rows);
        else await showProfile(client, output, name);
      });
    });
}

async function listDatasets(client: Client, output: Output, flags: DatasetFlags): Promise<void> {
  const page = await client.datasets.list({ limit: parseNumber('--limit', flags.limit, { min: 1, max: 500, whole: true }) });
  printResult(output, page, () =>
    table(
      page.items.map((each) => [
        each.id,
        `${each.name}:${each.number}`,
        each.meta?.rows ?? null,
        each.meta?.columns.length ?? null,
        each.createdAt,
      ]),
      ['version', 'dataset', 'rows', 'columns', 'created'],
    ),
  );
}

async function saveContract(client: Client, output: Output, name: string, file: string): Promise<void> {
  const contract = await client.datasets.contract(name);
  await writeFile(file, `${JSON.stringify(contract, null, 2)}\n`);
  printResult(
    output,
    { file, fields: contract.fields.length },
    () => `${file}: ${contract.fields.length} fields; edit it and use launch --contract ${file}`,
  );
}

async function showRows(client: Client, output: Output, name: string, rows: string): Promise<void> {
  const page = await client.datasets.rows(name, { limit: parseNumber('--rows', rows, { min: 1, max: 500, whole: true }) });
  printResult(output, page, () =>
    table(
      page.rows.map((row) => page.columns.map((column) => cellText(row[column]))),
      page.columns,
    ),
  );
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

async function showProfile(client: Client, output: Output, name: string): Promise<void> {
  const [version, profile] = [await client.datasets.get(name), await client.datasets.profile(name)];
  const roles = new Map((version.meta?.columns ?? []).map((column) => [column.name, column.role]));
  printResult(output, { version, profile }, () =>
    [
      `${version.name}:${version.number}  ${profile.rows} rows, ${profile.duplicateRows} of them repeated`,
      table(
        profile.columns.map((column) => [
          column.name,
          column.type,
          roles.get(column.name),
          column.missing,
          `${column.distinctIsExact ? '' : '~'}${column.distinct}`,
          column.numbers ? `${short(column.numbers.minimum)} … ${short(column.numbers.maximum)}, mean ${short(column.numbers.mean)}` : '',
          column.numbers
            ? ''
            : column.top
                .slice(0, 3)
                .map((top) => `${top.value} ${top.count}`)
                .join(', '),
        ]),
        ['column', 'type', 'role', 'missing', 'distinct', 'range', 'most frequent'],
      ),
    ].join('\n'),
  );
}
