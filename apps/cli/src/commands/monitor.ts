import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Client } from '@slipway/client';
import { InvalidError, parseJson } from '@slipway/kernel';
import type { Command } from 'commander';
import { withClient } from '../connect.ts';
import { readableSize } from '../local-file.ts';
import { globalOptions, parseNumber } from '../options.ts';
import { createOutput, printResult, table } from '../output.ts';
import { showAlerts, showMonitor } from '../show-monitor.ts';

/** The commands that watch: monitor, alerts, channels, dashboard. */
export function addMonitor(program: Command): void {
  addReport(program);
  addAlerts(program);
  addChannels(program);
  program
    .command('dashboard')
    .description('a Grafana dashboard over the metrics, ready to import')
    .action(async (_flags: object, command: Command) => {
      await ask(
        command,
        async (client) => client.dashboards.grafana(),
        (dashboard) => JSON.stringify(dashboard, null, 2),
      );
    });
}

async function ask<T>(command: Command, work: (client: Client) => Promise<T>, toText: (result: T) => string): Promise<void> {
  const options = globalOptions(command);
  const output = createOutput(options.json);
  await withClient(options, output, async (client) => {
    const result = await work(client);
    printResult(output, result, () => toText(result));
  });
}

interface ReportFlags {
  readonly window?: string;
  readonly from?: string;
  readonly to?: string;
  readonly revision?: string;
  readonly outcome?: string;
  readonly groups?: string;
  readonly sections?: string;
  readonly check?: boolean;
  readonly settings?: string | true;
}

function addReport(program: Command): void {
  program
    .command('monitor')
    .description('compare a recent window with the training data; objectives, fairness, and quality with and without outcomes')
    .argument('<release>')
    .option('--window <length>', 'how far back, such as 30m, 24h, 7d (default: that of the settings, 24h)')
    .option('--from <time>', 'start of the window instead')
    .option('--to <time>', 'end of the window (default: now)')
    .option('--revision <n>', 'a certain revision')
    .option('--outcome <name>', 'which outcome to judge by')
    .option('--groups <columns>', 'columns by whose values decisions are compared')
    .option('--sections <parts>', 'drift, contract, objectives, quality, fairness, estimate, multivariate (default: all but the last)')
    .option('--check', 'look now as the monitor does by itself, and raise and resolve alerts')
    .option('--settings [file]', 'show what the monitor asks, or set it from a JSON file (- for standard input)')
    .action(async (name: string, flags: ReportFlags, command: Command) => {
      const { check, settings, ...query } = flags;
      if (settings !== undefined && check) throw new InvalidError('--settings and --check do not go together.');
      if (settings === true) return ask(command, (client) => client.releases.monitorSettings(name), pretty);
      if (settings !== undefined) {
        const body = parseJson(settings === '-' ? await text(process.stdin) : await readSettings(settings));
        return ask(command, (client) => client.releases.configureMonitor(name, body as object), pretty);
      }
      if (!check)
        return ask(
          command,
          (client) => client.releases.monitor(name, query),
          (report) => showMonitor(report, flags.sections?.split(',')),
        );
      await ask(
        command,
        (client) => client.releases.check(name),
        ({ report, raised, resolved }) => `${showMonitor(report)}\nalerts: ${raised} raised, ${resolved} resolved`,
      );
    });
}

async function readSettings(path: string): Promise<string> {
  await readableSize(path);
  return readFile(path, 'utf8');
}

function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

function addAlerts(program: Command): void {
  const alerts = program
    .command('alerts')
    .description('what monitors found; newest first')
    .option('--status <status>', 'open, acknowledged or resolved')
    .option('--release <name>', 'of one release')
    .option('--limit <n>', 'how many', '50')
    .action(async (flags: { status?: string; release?: string; limit: string }, command: Command) => {
      const limit = parseNumber('--limit', flags.limit, { min: 1, max: 1_000, whole: true });
      await ask(
        command,
        (client) => client.alerts.list({ ...flags, limit }),
        (page) => showAlerts(page.items),
      );
    });
  for (const [name, verb, description] of [
    ['ack', 'acknowledge', 'somebody looks into it: it is told no more unless it gets worse'],
    ['resolve', 'resolve', 'it is over; found again, it is a new alert'],
  ] as const) {
    alerts
      .command(name)
      .description(description)
      .argument('<alert>')
      .option('--note <text>', 'why, for the others')
      .action(async (alert: string, flags: { note?: string }, command: Command) => {
        await ask(
          command,
          (client) => client.alerts[verb](alert, flags.note === undefined ? {} : { note: flags.note }),
          (changed) => showAlerts([changed]),
        );
      });
  }
}

interface ChannelFlags {
  readonly webhook?: string;
  readonly slack?: string;
  readonly smtp?: string;
  readonly smtpEncryption?: string;
  readonly mailFrom?: string;
  readonly mailTo?: string;
  readonly severity: string;
}

function addChannels(program: Command): void {
  const channels = program
    .command('channels')
    .description('where alerts are sent')
    .action(async (_flags: object, command: Command) => {
      await ask(
        command,
        (client) => client.channels.list(),
        ({ items }) =>
          table(
            items.map((each) => [
              each.name,
              each.kind,
              each.host,
              each.minimumSeverity,
              `${each.deliveries.sent} sent, ${each.deliveries.waiting} waiting, ${each.deliveries.failed} failed`,
              each.problem ?? each.deliveries.lastError ?? '',
            ]),
            ['name', 'kind', 'host', 'from', 'deliveries', 'last error'],
          ),
      );
    });
  addChannelMaker(channels);
  channels
    .command('remove')
    .argument('<name>')
    .action(async (name: string, _flags: object, command: Command) => {
      await ask(
        command,
        (client) => client.channels.remove(name),
        () => `removed ${name}`,
      );
    });
  channels
    .command('test')
    .description('send a test message at once')
    .argument('<name>')
    .action(async (name: string, _flags: object, command: Command) => {
      await ask(
        command,
        (client) => client.channels.test(name),
        (result) => {
          if (!result.delivered) process.exitCode = 1;
          return result.delivered ? 'delivered' : `not delivered: ${result.error}`;
        },
      );
    });
}

function addChannelMaker(channels: Command): void {
  channels
    .command('add')
    .description('a signed webhook, a Slack-compatible address, or a mailbox')
    .argument('<name>')
    .option('--webhook <url>', 'gets JSON, signed (Standard Webhooks)')
    .option('--slack <url>', 'an incoming webhook of Slack, Mattermost or the like')
    .option('--smtp <host:port>', 'a mail server; SLIPWAY_SMTP_USERNAME and SLIPWAY_SMTP_PASSWORD log in')
    .option('--smtp-encryption <how>', 'tls from the first byte, or starttls (default: tls on port 465)')
    .option('--mail-from <address>', 'sender')
    .option('--mail-to <addresses>', 'receivers, separated by commas')
    .option('--severity <least>', 'warn or alert', 'warn')
    .action(async (name: string, flags: ChannelFlags, command: Command) => {
      const target = targetOf(flags);
      const minimumSeverity = flags.severity as 'warn';
      await ask(
        command,
        (client) => client.channels.add({ name, target, minimumSeverity }),
        (made) =>
          [
            `${made.name}: ${made.kind} at ${made.host}`,
            ...(made.secret === null ? [] : [`signing secret (shown only now, keep it): ${made.secret}`]),
            `try it: slipway channels test ${made.name}`,
          ].join('\n'),
      );
    });
}

type Target = Parameters<Client['channels']['add']>[0]['target'];

function targetOf({ webhook, slack, smtp, smtpEncryption, mailFrom, mailTo }: ChannelFlags): Target {
  const given = [webhook, slack, smtp].filter((each) => each !== undefined);
  if (given.length !== 1) throw new InvalidError('Name one of --webhook, --slack and --smtp.', { help: 'slipway channels add --help' });
  if (webhook !== undefined) return { kind: 'webhook', url: webhook };
  if (slack !== undefined) return { kind: 'slack', url: slack };
  const [host = '', port] = (smtp ?? '').split(':');
  if (mailFrom === undefined || mailTo === undefined) throw new InvalidError('--smtp needs --mail-from and --mail-to.');
  const number = parseNumber('--smtp', port, { min: 1, max: 65_535, whole: true });
  const { SLIPWAY_SMTP_USERNAME: username, SLIPWAY_SMTP_PASSWORD: password } = process.env;
  return {
    kind: 'smtp',
    host,
    ...(number === undefined ? {} : { port: number }),
    ...(smtpEncryption === undefined ? {} : { encryption: smtpEncryption as 'tls' }),
    from: mailFrom,
    to: mailTo.split(',').map((address) => address.trim()),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
}
