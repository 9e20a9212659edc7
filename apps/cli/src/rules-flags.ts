import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { InvalidError } from '@slipway/kernel';
import type { RulesDefinition } from '@slipway/project/contract';
import { readRuleFile, rules } from '@slipway/project/define';
import type { Command } from 'commander';
import { readableSize } from './local-file.ts';

/** Largest rule file that is read. */
const RULE_FILE_LIMIT_BYTES = 5_000_000;

export interface RulesFlags {
  readonly rules?: string;
  readonly baselineRules?: string;
  readonly otherwise?: string;
  readonly seconds?: string;
}

/** The flags of decision tables. */
export function addRulesFlags(command: Command): Command {
  return command
    .option('--rules <file>', 'a reviewed decision table (CSV or JSON) instead of training: the first rule that holds decides')
    .option('--baseline-rules <file>', 'a decision table that the model must be shown to be better than: rules or AI?')
    .option('--otherwise <answer>', 'what is answered where no rule holds (default: what the file says, or the training rows)');
}

/** The decision tables that the flags mean. @throws {InvalidError} naming the flag; {RuleError} naming the line. */
export async function rulesOf(
  flags: RulesFlags,
  target: string,
): Promise<{ readonly train?: RulesDefinition; readonly baseline?: RulesDefinition }> {
  const { rules: trainFile, baselineRules } = flags;
  if (flags.otherwise !== undefined && trainFile === undefined && baselineRules === undefined)
    throw new InvalidError('--otherwise: belongs to --rules or --baseline-rules.');
  if (trainFile !== undefined && flags.seconds !== undefined)
    throw new InvalidError('--seconds: rules are not searched for; leave it out, or leave out --rules.');
  const read = async (path: string) => {
    if ((await readableSize(path)) > RULE_FILE_LIMIT_BYTES) throw new InvalidError(`"${path}" is too large for a decision table.`);
    const table = readRuleFile(await readFile(path, 'utf8'), { fileName: basename(path), target });
    return rules(table, flags.otherwise === undefined ? {} : { otherwise: flags.otherwise });
  };
  return {
    ...(trainFile === undefined ? {} : { train: await read(trainFile) }),
    ...(baselineRules === undefined ? {} : { baseline: await read(baselineRules) }),
  };
}
