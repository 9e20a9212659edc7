import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { parseJson } from '@slipway/kernel';
import type { Command } from 'commander';
import { withClient } from '../connect.ts';
import { readableSize } from '../local-file.ts';
import { globalOptions, parseNumber } from '../options.ts';
import { showForecasts } from '../show-forecast.ts';
import { createOutput, printResult, short, table } from '../output.ts';
import { showExplanation } from './explain.ts';

/** The commands that act on what is live: predict, rollback, monitor, audit, erase. */
export function addOperate(program: Command): void {
  addPredict(program);
  addRollback(program);
  addMonitor(program);
  addAudit(program);
  addErase(program);
}

interface PredictFlags {
  readonly unit?: string;
  readonly subject?: string;
  readonly eventTime?: string;
  readonly explain?: boolean;
}

function addPredict(program: Command): void {
  program
    .command('predict')
    .description('predict for rows given as JSON: an object, an array of objects, or @file')
    .argument('<release>')
    .argument('<rows>', 'JSON, @rows.json or - for standard input')
    .option('--unit <id>', 'what traffic is split by, such as a customer')
    .option('--subject <id>', 'whose data it is')
    .option('--event-time <time>', 'when it happened')
    .option('--explain', 'say why, too; more with: slipway explain INVOCATION')
    .action(async (release: string, rows: string, flags: PredictFlags, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
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

/** Classes whose probabilities are shown; --json has them all. */
const CLASSES_SHOWN = 5;

/** All classes in their order, or of many the likeliest first. */
function likeliest(probabilities: Readonly<Record<string, number>>): string {
  const all = Object.entries(probabilities);
  const shown = all.length <= CLASSES_SHOWN ? all : all.toSorted(([, left], [, right]) => right - left).slice(0, CLASSES_SHOWN);
  const rest = all.length - shown.length;
  return [...shown.map(([label, probability]) => `${label} ${short(probability)}`), ...(rest > 0 ? [`and ${rest} more`] : [])].join('  ');
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

function addMonitor(program: Command): void {
  program
    .command('monitor')
    .description('compare a recent window with the training data, and show quality from outcomes')
    .argument('<release>')
    .option('--window <length>', 'how far back, such as 30m, 24h, 7d', '24h')
    .option('--from <time>', 'start of the window instead')
    .option('--to <time>', 'end of the window (default: now)')
    .option('--revision <n>', 'a certain revision')
    .option('--outcome <name>', 'which outcome to judge by')
    .action(async (name: string, flags: Record<string, string | undefined>, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      await withClient(options, output, async (client) => {
        const report = await client.releases.monitor(name, flags);
        printResult(output, report, () => showMonitor(report));
      });
    });
}

type MonitorReport = Awaited<ReturnType<import('@slipway/client').Client['releases']['monitor']>>;

function showMonitor(report: MonitorReport): string {
  const fields = report.fields.map((each) => [
    each.verdict,
    each.field,
    short(each.psi),
    short(each.jensenShannon),
    `${short(each.missingReference)} → ${short(each.missingCurrent)}`,
    each.newCategories
      .slice(0, 5)
      .map((category) => category.value)
      .join(' '),
  ]);
  const quality = report.quality ? Object.entries(report.quality.metrics).map(([metric, value]) => `${metric} ${short(value)}`) : [];
  return [
    `${report.release} revision ${report.revision}: ${report.invocations} calls`,
    table(fields, ['verdict', 'field', 'PSI', 'JS', 'missing', 'new categories']),
    report.quality
      ? `quality over ${report.quality.count} outcomes: ${quality.join(', ')}`
      : 'quality: no outcomes in this window yet (POST /v1/outcomes)',
  ].join('\n');
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
