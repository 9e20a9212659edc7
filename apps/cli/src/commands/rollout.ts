import { InvalidError } from '@slipway/kernel';
import type { Client } from '@slipway/client';
import type { Command } from 'commander';
import { withClient } from '../connect.ts';
import { type GlobalOptions, globalOptions, parseList, parseNumber } from '../options.ts';
import { type Output, createOutput, printResult } from '../output.ts';
import { createProgress } from '../progress.ts';
import { type RolloutFlags, addRolloutFlags, rolloutOptions } from '../rollout-flags.ts';
import { servingOf } from '../serving-flags.ts';
import { showReplay, showRollout, showRollouts } from '../show-rollout.ts';

/** What a rollout that was rolled back or aborted exits with, as a gate that failed does. */
const ROLLED_BACK_EXIT_CODE = 3;
/** Rollouts of a list; further ones are old. */
const ROLLOUTS_SHOWN = 20;

/** `slipway rollout …` and `slipway replay`: how a new revision takes over. */
export function addRollout(program: Command): void {
  const rollout = program
    .command('rollout')
    .description('how new revisions take over: the newest rollouts; with a release: where its rollout is and what the evidence says')
    .argument('[release]')
    .action(async (release: string | undefined, _flags: object, command: Command) => {
      if (release === undefined) return list(command);
      await act(command, (client) => client.rollouts.latest(release));
    });
  addStart(rollout);
  addActions(rollout);
  addReplay(program);
}

async function list(command: Command): Promise<void> {
  const options = globalOptions(command);
  const output = createOutput(options.json);
  await withClient(options, output, async (client) => {
    const page = await client.rollouts.listAll({ limit: ROLLOUTS_SHOWN });
    printResult(output, page, () => showRollouts(page.items));
  });
}

async function act(
  command: Command,
  work: (client: Client, output: Output, options: GlobalOptions) => Promise<Awaited<ReturnType<Client['rollouts']['latest']>>>,
): Promise<void> {
  const options = globalOptions(command);
  const output = createOutput(options.json);
  await withClient(options, output, async (client) => {
    const rollout = await work(client, output, options);
    printResult(output, rollout, () => showRollout(rollout));
  });
}

interface StartFlags extends RolloutFlags {
  readonly candidate?: string;
  readonly revision?: string;
  readonly serving?: string;
  readonly follow?: boolean;
}

function addStart(rollout: Command): void {
  const start = rollout
    .command('start')
    .description('begin a rollout of a version, or of a revision that exists')
    .argument('<release>')
    .option('--candidate <version>', 'mv_…, name, name:3 or name@alias')
    .option('--revision <n>', 'a revision of the release instead')
    .option('--serving <settings>', 'run it so: queueRows=2000,lanes=2,… (default: as the live revision is run)');
  addRolloutFlags(start)
    .option('--follow', 'stay until it has ended; exits with 3 when it was rolled back')
    .action(async (release: string, flags: StartFlags, command: Command) => {
      const plan = rolloutOptions(flags);
      const serving = servingOf(flags.serving);
      const revision = parseNumber('--revision', flags.revision, { min: 1, max: 1e9, whole: true });
      if ((revision === undefined) === (flags.candidate === undefined))
        throw new InvalidError('Say which version: --candidate VERSION or --revision N.', { help: 'slipway versions' });
      await act(command, async (client, output) => {
        const version = flags.candidate;
        const begun = await client.rollouts.start(release, {
          plan,
          ...(version === undefined ? {} : { version }),
          ...(serving === undefined ? {} : { serving }),
          ...(revision === undefined ? {} : { revision }),
        });
        return flags.follow === true ? follow(client, output, begun) : begun;
      });
    });
  rollout
    .command('watch')
    .description('stay until the rollout has ended; exits with 3 when it was rolled back')
    .argument('<release>')
    .action((release: string, _flags: object, command: Command) =>
      act(command, async (client, output) => follow(client, output, await client.rollouts.latest(release))),
    );
}

type Rollout = Awaited<ReturnType<Client['rollouts']['latest']>>;

async function follow(client: Client, output: Output, rollout: Rollout): Promise<Rollout> {
  if (rollout.endedAt === null) {
    const progress = createProgress(output);
    try {
      await client.runs.follow(rollout.run, (event) => progress.update(event));
    } finally {
      progress.end();
    }
  }
  const ended = (await client.rollouts.list(rollout.release, { limit: 50 })).items.find((each) => each.id === rollout.id) ?? rollout;
  if (ended.status === 'rolled-back' || ended.status === 'aborted') process.exitCode = ROLLED_BACK_EXIT_CODE;
  return ended;
}

const ACTIONS = {
  pause: 'hold it where it is; what is worse is still rolled back',
  resume: 'let it go on',
  approve: 'say yes to a rollout that waits for it',
  promote: 'give the candidate all traffic now, whatever the evidence',
  abort: 'give the champion all traffic back',
} as const;

function addActions(rollout: Command): void {
  for (const action of Object.keys(ACTIONS) as (keyof typeof ACTIONS)[]) {
    rollout
      .command(action)
      .description(ACTIONS[action])
      .argument('<release>')
      .option('--reason <text>', 'why, for the audit log')
      .action((release: string, flags: { reason?: string }, command: Command) =>
        act(command, (client) => client.rollouts.act(release, action, flags.reason === undefined ? {} : { reason: flags.reason })),
      );
  }
}

interface ReplayFlags {
  readonly candidate: string;
  readonly window: string;
  readonly limit?: string;
  readonly by?: string;
  readonly outcome?: string;
}

function addReplay(program: Command): void {
  program
    .command('replay')
    .description('run recorded calls through a candidate: which answers flip, for whom, and who was right')
    .argument('<release>')
    .requiredOption('--candidate <version>', 'mv_…, name, name:3, name@alias, or the number of a revision')
    .option('--window <length>', 'how far back, such as 30m, 24h, 7d', '24h')
    .option('--limit <n>', 'most calls, the newest (default: 10000)')
    .option('--by <a,b>', 'input columns to report groups by (default: those with few values)')
    .option('--outcome <name>', 'which outcome tells who was right (default: label)')
    .action(async (release: string, flags: ReplayFlags, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      const limit = parseNumber('--limit', flags.limit, { min: 1, max: 1e6, whole: true });
      const toMs = Date.now();
      const body = {
        candidate: /^\d{1,9}$/.test(flags.candidate) ? Number(flags.candidate) : flags.candidate,
        fromMs: toMs - parseWindow('--window', flags.window),
        toMs,
        by: parseList(flags.by),
        ...(limit === undefined ? {} : { limit }),
        ...(flags.outcome === undefined ? {} : { outcome: flags.outcome }),
      };
      await withClient(options, output, async (client) => {
        const { run } = await client.replays.start(release, body);
        const progress = createProgress(output);
        const report = client.replays.report(
          await client.runs.follow(run, (event) => progress.update(event)).finally(() => progress.end()),
        );
        printResult(output, report, () => showReplay(report));
      });
    });
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** A length such as 30m, 24h or 7d in milliseconds. @throws {InvalidError} naming the flag. */
function parseWindow(flag: string, text: string): number {
  const match = /^(\d{1,6})([smhdw])$/.exec(text);
  const lengthMs = match ? Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0) : 0;
  if (lengthMs === 0)
    throw new InvalidError(`${flag}: "${text}" is no length of time.`, { help: 'A number and s, m, h, d or w, such as 24h.' });
  return lengthMs;
}
