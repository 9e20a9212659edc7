import type { Command, Option } from 'commander';
import { createProgram } from './program.ts';

/** Options that every command has are told once. */
const SHARED = new Set(['--home', '--port', '--url', '--project', '--json', '--help', '--version']);

/** Every command with its arguments and flags as Markdown, for docs/reference/commands.md: made from what the program parses. */
export function renderReference(): string {
  const program = createProgram();
  const shared = program.options.filter((option) => option.long !== '--version');
  return [
    '# Commands',
    'Made from what the program parses (`apps/cli/src/reference.ts`); `slipway COMMAND --help` says the same.',
    'Every command takes these:',
    table(shared),
    ...program.commands.filter((command) => command.name() !== 'help').flatMap((command) => section(command, 'slipway')),
    '',
  ].join('\n\n');
}

function section(command: Command, parent: string): string[] {
  const name = `${parent} ${command.name()}`;
  const usage = command.registeredArguments.map((each) => (each.required ? ` <${each.name()}>` : ` [${each.name()}]`)).join('');
  const args = command.registeredArguments.filter((each) => each.description !== '');
  const options = command.options.filter((option) => !SHARED.has(option.long ?? ''));
  return [
    `## ${name}${usage}`,
    `${sentence(command.description())}`,
    ...(args.length > 0 ? [args.map((each) => `- \`${each.name()}\`: ${escape(each.description)}`).join('\n')] : []),
    ...(options.length > 0 ? [table(options)] : []),
    ...command.commands.filter((child) => child.name() !== 'help').flatMap((child) => section(child, name)),
  ];
}

function table(options: readonly Option[]): string {
  const rows = options.map((option) => `| \`${option.flags.replaceAll('|', '\\|')}\` | ${escape(option.description)} |`);
  return ['| flag | meaning |', '|---|---|', ...rows].join('\n');
}

function sentence(text: string): string {
  return text === '' ? '' : `${text[0]?.toUpperCase()}${text.slice(1)}.`;
}

function escape(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('*', '\\*');
}
