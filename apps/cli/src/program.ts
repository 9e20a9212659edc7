import { readFileSync } from 'node:fs';
import { InvalidError } from '@slipway/kernel';
import { Command, CommanderError } from 'commander';
import { addApply } from './commands/apply.ts';
import { addDatasets } from './commands/datasets.ts';
import { addExplain } from './commands/explain.ts';
import { addKeep } from './commands/keep.ts';
import { addLaunch } from './commands/launch.ts';
import { addLists } from './commands/lists.ts';
import { addMonitor } from './commands/monitor.ts';
import { addOperate } from './commands/operate.ts';
import { addReport } from './commands/report.ts';
import { addRetrain } from './commands/retrain.ts';
import { addRollout } from './commands/rollout.ts';
import { addServe } from './commands/serve.ts';
import { INTERRUPTED_EXIT_CODE, createOutput, reportError } from './output.ts';

/** The whole command line. Parsing errors and failures leave through the same door as every other error. */
export function createProgram(): Command {
  const program = new Command('slipway')
    .description('From data to a gated, recorded, roll-back-able production endpoint, and the care of it afterwards.')
    .option('--home <folder>', 'where .slipway lives (SLIPWAY_HOME)')
    .option('--port <port>', 'port of the server (SLIPWAY_PORT, default 7700)')
    .option('--url <address>', 'talk to this server instead of the home (SLIPWAY_URL)')
    .option('--project <id>', "project, when not the key's own (SLIPWAY_PROJECT)")
    .option('--json', 'one JSON object on stdout')
    .version(readVersion(), '--version')
    .showHelpAfterError(false)
    .enablePositionalOptions(false);
  addServe(program);
  addLaunch(program);
  addApply(program);
  addOperate(program);
  addMonitor(program);
  addRollout(program);
  addRetrain(program);
  addExplain(program);
  addReport(program);
  addLists(program);
  addDatasets(program);
  addKeep(program);
  for (const command of [program, ...allCommands(program)]) {
    command.exitOverride();
    // Errors are told by reportError; what commander writes there otherwise is the help of a command named by halves.
    command.configureOutput({ writeErr: (text) => void (text.startsWith('Usage:') && process.stderr.write(`${text}\n`)) });
    if (command !== program) shareGlobals(command);
  }
  return program;
}

/** Global options may stand before or after the command. */
function shareGlobals(command: Command): void {
  for (const [flags, text] of [
    ['--home <folder>', 'where .slipway lives'],
    ['--port <port>', 'port of the server'],
    ['--url <address>', 'address of a server'],
    ['--project <id>', 'project'],
    ['--json', 'one JSON object on stdout'],
  ] as const) {
    const name = flags.split(' ')[0];
    if (!command.options.some((option) => option.long === name)) command.option(flags, text);
  }
}

function allCommands(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...allCommands(child)]);
}

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return manifest.version;
}

/** Runs one command line. @returns the exit code. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  const output = createOutput(argv.includes('--json'));
  try {
    await createProgram().parseAsync([...argv], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      if (thrown.exitCode === 0) return 0;
      const message = thrown.code === 'commander.help' ? 'No command was named.' : thrown.message.replace(/^error: /, '');
      return reportError(output, new InvalidError(message, { help: 'slipway --help' }));
    }
    if (thrown instanceof Error && thrown.name === 'AbortError') return INTERRUPTED_EXIT_CODE;
    return reportError(output, thrown);
  }
}
