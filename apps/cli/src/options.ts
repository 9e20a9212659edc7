import { InvalidError, type Redacted } from '@slipway/kernel';
import type { Command } from 'commander';
import { type SettingValues, settings } from '@slipway/server/settings';

/** What every command accepts, after flags, environment and defaults have been joined in that order. */
export interface GlobalOptions {
  readonly home: string;
  readonly port: number;
  readonly grpcPort: number | undefined;
  readonly url: string | undefined;
  readonly key: string | undefined;
  readonly project: string | undefined;
  readonly databaseUrl: string | undefined;
  readonly objectsUrl: string | undefined;
  readonly outboundAllow: readonly string[];
  readonly secretKey: Redacted | undefined;
  readonly resourceLimits: SettingValues['resourceLimits'];
  readonly modelMemoryMb: number | undefined;
  readonly keepUploadsDays: number | undefined;
  readonly keepRunEventsDays: number | undefined;
  readonly keepRunStepsDays: number | undefined;
  readonly lameDuckMs: number;
  readonly json: boolean;
}

/** Reads the global options of a command: flag, then environment, then default, by the table in the server's settings. */
export function globalOptions(command: Command): GlobalOptions {
  const flags = command.optsWithGlobals<Record<string, string | boolean | undefined>>();
  const text = (name: string) => (typeof flags[name] === 'string' ? flags[name] : undefined);
  const resolved = settings.resolve(
    { home: text('home'), port: text('port'), grpcPort: text('grpcPort'), url: text('url'), project: text('project') },
    process.env,
  );
  return { ...resolved, json: flags['json'] === true };
}

/** A comma-separated list; empty entries are ignored. */
export function parseList(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

/** A number given as text. @throws {InvalidError} naming the flag. */
export function parseNumber(
  flag: string,
  text: string | undefined,
  limits: { min: number; max: number; whole?: boolean },
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (
    text.trim() === '' ||
    !Number.isFinite(value) ||
    value < limits.min ||
    value > limits.max ||
    (limits.whole && !Number.isInteger(value))
  ) {
    throw new InvalidError(`${flag} must be a ${limits.whole ? 'whole ' : ''}number from ${limits.min} to ${limits.max}, got "${text}".`, {
      help: 'slipway --help, or --help after a command',
    });
  }
  return value;
}
