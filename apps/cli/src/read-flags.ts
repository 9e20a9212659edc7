import { InvalidError } from '@slipway/kernel';
import type { Command } from 'commander';
import { parseList } from './options.ts';

/** How a table is to be read where looking at it does not tell enough. */
export interface ReadFlags {
  readonly columns?: string;
  readonly header?: string;
  readonly delimiter?: string;
  readonly encoding?: string;
  readonly format?: string;
  readonly missing?: string;
  readonly dates?: string;
}

/** Names of the flags, for commands that take some flags only with a table. */
export const READ_FLAGS = ['columns', 'header', 'delimiter', 'encoding', 'format', 'missing', 'dates'] as const;

export function addReadFlags(command: Command): Command {
  return command
    .option('--columns <a,b,c>', 'column names of a file without a header line')
    .option('--header <yes|no>', 'whether the first line names the columns (default: found by looking)')
    .option('--delimiter <character>', 'column separator (default: found by looking)')
    .option('--encoding <name>', 'utf-8, latin1, utf-16le, utf-16be (default: found by looking)')
    .option('--format <name>', 'csv, parquet, json, ndjson (default: found by looking)')
    .option('--missing <a,b>', 'texts that mean "missing", such as -999,unknown (default: NA, ?, null and their like)')
    .option('--dates <order>', 'day-first or month-first: how to read dates such as 03/04/2024 (default: by the column)');
}

/** The reading options that the flags mean, as a definition has them. @throws {InvalidError} naming the flag. */
export function readOf(flags: ReadFlags): Record<string, unknown> {
  const columns = parseList(flags.columns);
  const missing = parseList(flags.missing);
  const given = {
    format: flags.format,
    delimiter: flags.delimiter,
    encoding: flags.encoding,
    header: choiceOf('--header', flags.header, { yes: true, no: false }),
    columns: columns.length > 0 ? columns : undefined,
    missing: missing.length > 0 ? missing : undefined,
    dayFirst: choiceOf('--dates', flags.dates, { 'day-first': true, 'month-first': false }),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function choiceOf(flag: string, text: string | undefined, choices: Readonly<Record<string, boolean>>): boolean | undefined {
  if (text === undefined) return undefined;
  if (Object.hasOwn(choices, text)) return choices[text];
  throw new InvalidError(`${flag} must be ${Object.keys(choices).join(' or ')}, got "${text}".`, { help: 'slipway launch --help' });
}
