import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { parseJson } from '@slipway/kernel';
import type { Command } from 'commander';
import { withClient } from '../connect.ts';
import { type BatchFlags, isBatch, predictTable } from '../predict-table.ts';
import { addReadFlags } from '../read-flags.ts';
import { readableSize } from '../local-file.ts';
import { likeliest } from '../likeliest.ts';
import { globalOptions, parseNumber } from '../options.ts';
import { showForecasts } from '../show-forecast.ts';
import { createOutput, printResult, table } from '../output.ts';
import { showExplanation } from './explain.ts';

/** The commands that act on what is live: predict, rollback, audit, erase. */
export function addOperate(program: Command): void {
  addPredict(program);
  addRollback(program);
  addAudit(program);
  addErase(program);
}

interface PredictFlags extends BatchFlags {
  readonly unit?: string;
  readonly subject?: string;
  readonly eventTime?: string;
  readonly explain?: boolean;
}

function addPredict(program: Command): void {
  const predict = program
    .command('predict')
    .description('predict for rows given as JSON (an object, an array of objects, @file), or for a whole table (FILE -o FILE)')
    .argument('<release>')
    .argument('<rows>', 'JSON, @rows.json, - for standard input, or a table: CSV, Parquet, JSON, NDJSON')
    .option('--unit <id>', 'what traffic is split by, such as a customer')
    .option('--subject <id>', 'whose data it is')
    .option('--event-time <time>', 'when it happened')
    .option('--explain', 'say why, too; more with: slipway explain INVOCATION')
    .option('-o, --output <file>', 'table: where the predictions go; .parquet, .csv or .ndjson')
    .option('--keep <a,b>', 'table: columns written beside the predictions, or all')
    .option('--rejects <file>', 'table: where rows that break the contract go (default: beside the output)')
    .option('--revision <n>', 'table: a certain revision instead of the live one');
  addReadFlags(predict).action(async (release: string, rows: string, flags: PredictFlags, command: Command) => {
    const options = globalOptions(command);
    const output = createOutput(options.json);
    if (await isBatch(rows, flags)) return predictTable(release, rows, flags, command);
    const parsed = parseJson(await rowsText(rows));
    const request = {
      rows: Array.isArray(parsed) ? [...parsed] : [parsed],
      ...(flags.unit === undefined ? {} : { unit: flags.unit }),
      ...(flags.subject === undefined ? {} : { subject: flags.subject }),
      ...(flags.eventTime === undefined ? {} : { eventTime: flags.eventTime }),
      ...(flags.explain === true ? { explain: true } : {}),
    };
    await withClient(options, output, async (client) => {
      const reply = await client.predict(release, request);
      printResult(
        output,
        reply,
        () =>
          showForecasts(reply) ??
          [
            table(
              reply.predictions.map((each) => [
                each.invocation,
                String(each.prediction ?? each.error?.message ?? each.pending),
                each.probabilities ? likeliest(each.probabilities) : '',
              ]),
              ['invocation', 'prediction', 'probabilities'],
            ),
            ...reply.predictions.flatMap(({ explanation, explanationError, invocation }) =>
              explanation
                ? [`\n${invocation}${showExplanation(explanation)}`]
                : explanationError
                  ? [`${invocation}: ${explanationError.message}`]
                  : [],
            ),
          ].join('\n'),
      );
    });
  });
}

async function rowsText(argument: string): Promise<string> {
  if (argument === '-') return text(process.stdin);
  if (!argument.startsWith('@')) return argument;
  const path = argument.slice(1);
  await readableSize(path);
  return readFile(path, 'utf8');
}

function addRollback(program: Command): void {
  program
    .command('rollback')
    .description('make the revision before the live one live, at once')
    .argument('<release>')
    .option('--to <revision>', 'a certain revision')
    .option('--reason <text>', 'why, for the audit log')
    .action(async (name: string, flags: { to?: string; reason?: string }, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      const to = parseNumber('--to', flags.to, { min: 1, max: 1_000_000, whole: true });
      await withClient(options, output, async (client) => {
        const release = await client.releases.rollback(name, {
          ...(to === undefined ? {} : { to }),
          ...(flags.reason === undefined ? {} : { reason: flags.reason }),
        });
        printResult(output, release, () => `${release.name}: revision ${release.traffic.map((arm) => arm.revision).join(', ')} is live`);
      });
    });
}

function addAudit(program: Command): void {
  const audit = program.command('audit').description('the tamper-evident log');
  audit
    .command('verify')
    .description('recompute every hash of the chain; exits with 1 when something was changed')
    .action(async (_flags: object, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      await withClient(options, output, async (client) => {
        const result = await client.audit.verify();
        printResult(output, result, () =>
          result.ok
            ? `ok: ${result.events} events verified`
            : ['the log was changed:', ...result.problems.map((each) => `  #${each.seq}: ${each.problem}`)].join('\n'),
        );
        if (!result.ok) process.exitCode = 1;
      });
    });
  audit
    .command('list')
    .description('the latest events')
    .option('--after <seq>', 'events after this number', '0')
    .option('--limit <n>', 'how many', '50')
    .action(async (flags: { after: string; limit: string }, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      await withClient(options, output, async (client) => {
        const page = await client.audit.events({ after: Number(flags.after), limit: Number(flags.limit) });
        printResult(output, page, () =>
          table(page.items.map((each) => [each.seq, each.at, each.type, `${each.subject.kind} ${each.subject.id}`, each.principal])),
        );
      });
    });
}

function addErase(program: Command): void {
  program
    .command('erase')
    .description("remove a person's invocations, outcomes and dataset rows, with a receipt")
    .requiredOption('--subject <id>', 'whose data')
    .action(async (flags: { subject: string }, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      await withClient(options, output, async (client) => {
        const receipt = await client.erasures.create(flags.subject);
        printResult(output, receipt, () =>
          [
            `erased: ${receipt.invocations} invocations, ${receipt.outcomes} outcomes, ${receipt.rows} dataset rows in ${receipt.datasets.length} datasets`,
            `receipt ${receipt.id}`,
          ].join('\n'),
        );
      });
    });
}
