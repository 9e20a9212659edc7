import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { InvalidError } from '@slipway/kernel';
import type { Command } from 'commander';
import { withClient } from '../connect.ts';
import { globalOptions } from '../options.ts';
import { createOutput, printResult } from '../output.ts';

interface ReportFlags {
  readonly html?: string | boolean;
  readonly markdown?: boolean;
  readonly card?: boolean;
}

export function addReport(program: Command): void {
  program
    .command('report')
    .description('the evidence of a version: metrics, gates, leaks, slices, fairness, plots')
    .argument('<name|version>', 'name of a launch (its newest report), or id of a report or version')
    .option('--html [file]', 'write one HTML page that opens offline (default: report.html)')
    .option('--markdown', 'Markdown on stdout (the default without --json)')
    .option('--card', 'the card of a model or dataset version instead of its report')
    .action(async (reference: string, flags: ReportFlags, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      if (flags.markdown && options.json) throw new InvalidError('--markdown and --json exclude each other.');
      await withClient(options, output, async (client) => {
        const read = (format: 'json' | 'markdown' | 'html') =>
          flags.card ? client.reports.card(reference, format) : client.reports.text(reference, format);
        if (flags.html !== undefined && flags.html !== false) {
          const file = resolve(typeof flags.html === 'string' ? flags.html : 'report.html');
          await writeFile(file, await read('html'));
          printResult(output, { file }, () => `wrote ${file}`);
          return;
        }
        const text = await read(options.json ? 'json' : 'markdown');
        printResult(output, options.json ? JSON.parse(text) : undefined, () => text.trimEnd());
      });
    });
}
