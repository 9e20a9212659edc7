import { readFile } from 'node:fs/promises';
import { InvalidError, parseJson } from '@slipway/kernel';
import { RetrainPolicy } from '@slipway/project/contract';
import type { Client, FollowedEvent } from '@slipway/client';
import type { Command } from 'commander';
import { withClient } from '../connect.ts';
import { followRun } from '../follow-run.ts';
import { readableSize } from '../local-file.ts';
import { globalOptions } from '../options.ts';
import { createOutput, printResult } from '../output.ts';
import { explainAttempt, showRetraining } from '../show-retraining.ts';

/** What a retraining that was refused or rolled back exits with, as a gate that failed does. */
const REFUSED_EXIT_CODE = 3;

interface Flags {
  readonly reason?: string;
  readonly wait?: boolean;
  readonly policy?: string | boolean;
  readonly off?: boolean;
}

/** `slipway retrain NAME`: train a release again by hand, or see and set when it does so by itself. */
export function addRetrain(program: Command): void {
  program
    .command('retrain')
    .description('train the model of a release again on its labelled calls, prove it against the live version, and roll it out')
    .argument('<release>')
    .option('--reason <text>', 'why, for the history')
    .option('--wait', 'stay until it has ended; exits with 3 when it was refused or rolled back')
    .option('--policy [file]', 'show when it trains by itself and every attempt; with a JSON file set it')
    .option('--off', 'train again only by hand from now on')
    .action(async (release: string, flags: Flags, command: Command) => {
      if (flags.policy !== undefined || flags.off) return policy(release, flags, command);
      return start(release, flags, command);
    });
}

async function policy(release: string, flags: Flags, command: Command): Promise<void> {
  const options = globalOptions(command);
  const output = createOutput(options.json);
  const next = flags.off ? null : typeof flags.policy === 'string' ? await readPolicy(flags.policy) : undefined;
  await withClient(options, output, async (client) => {
    const found = next === undefined ? await client.retraining.get(release) : await client.retraining.configure(release, next);
    printResult(output, found, () => showRetraining(found));
  });
}

/** @throws {InvalidError} naming the file and the field. */
async function readPolicy(file: string): Promise<RetrainPolicy> {
  await readableSize(file);
  const parsed = RetrainPolicy.safeParse(parseJson(await readFile(file, 'utf8')));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new InvalidError(`--policy: ${file}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is not valid'}.`, {
    help: 'For example {"on":[{"kind":"drift"},{"kind":"new-data","rows":2000}],"coolDown":"7d"}',
  });
}

/** Phases of a retraining whose work is done by a run below it. */
const DELEGATED: ReadonlySet<string> = new Set(['launch', 'rollout']);

/** Shows the progress of a retraining and of the launch and the rollout below it, to the verdict. @returns its id. */
function followTree(client: Client) {
  return async (run: string, onEvent: (event: FollowedEvent) => void): Promise<string> => {
    const followed = new Set<string>();
    const followBelow = async () => {
      for (const { id } of (await client.runs.list({ parent: run })).items) {
        if (followed.has(id)) continue;
        followed.add(id);
        // What ends badly below ends the run above, which says so.
        client.runs.follow(id, (event) => event.phase !== 'done' && onEvent(event)).catch(() => {});
      }
    };
    await client.runs.follow(run, (event) => {
      onEvent(event);
      if (DELEGATED.has(event.phase)) followBelow().catch(() => {});
    });
    return run;
  };
}

async function start(release: string, flags: Flags, command: Command): Promise<void> {
  const options = globalOptions(command);
  const output = createOutput(options.json);
  await withClient(options, output, async (client) => {
    const begin = () => client.retraining.start(release, flags.reason === undefined ? {} : { reason: flags.reason });
    const run = flags.wait ? await followRun(client, output, { start: begin, follow: followTree(client) }) : (await begin()).run;
    const attempt = (await client.retraining.get(release)).attempts.find((each) => each.run === run);
    if (attempt?.status === 'refused' || attempt?.status === 'rolled-back') process.exitCode = REFUSED_EXIT_CODE;
    printResult(output, attempt ?? { run }, () =>
      attempt && flags.wait ? `${attempt.status}: ${explainAttempt(attempt)}` : `started ${run}\nsee it with: slipway runs ${run}`,
    );
  });
}
