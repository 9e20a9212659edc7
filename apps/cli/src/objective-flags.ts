import { InvalidError } from '@slipway/kernel';
import type { Command } from 'commander';
import { parseNumber } from './options.ts';

const COST_MAX = 1e12;

/** Flags of the business objective. */
export interface ObjectiveFlags {
  readonly costFp?: string;
  readonly costFn?: string;
  readonly costTp?: string;
  readonly costTn?: string;
  readonly costOver?: string;
  readonly costUnder?: string;
  readonly kpi?: string;
  readonly constraint?: string;
}

export function addObjectiveFlags(command: Command): Command {
  return command
    .option('--cost-fp <cost>', 'what acting on a negative costs (a false positive); the threshold is chosen for the costs')
    .option('--cost-fn <cost>', 'what missing a positive costs (a false negative)')
    .option('--cost-tp <cost>', 'what acting on a positive costs; below zero is a gain (default: 0)')
    .option('--cost-tn <cost>', 'what leaving a negative alone costs (default: 0)')
    .option('--cost-over <cost>', 'what one unit predicted too high costs')
    .option('--cost-under <cost>', 'what one unit predicted too low costs')
    .option('--kpi <name[:unit]>', 'what the costs are counted in, e.g. margin:EUR')
    .option('--constraint <bound>', 'a bound on the decisions, e.g. "recall>=0.8" or "selection_rate<=0.1"');
}

/** The objective that the flags mean; undefined when there is none. @throws {InvalidError} naming the flag. */
export function parseObjective(flags: ObjectiveFlags): Record<string, unknown> | undefined {
  const decisions = costs({
    falsePositive: ['--cost-fp', flags.costFp],
    falseNegative: ['--cost-fn', flags.costFn],
    truePositive: ['--cost-tp', flags.costTp],
    trueNegative: ['--cost-tn', flags.costTn],
  });
  const errors = costs({ over: ['--cost-over', flags.costOver], under: ['--cost-under', flags.costUnder] });
  requireBoth(decisions, [
    ['falsePositive', '--cost-fp'],
    ['falseNegative', '--cost-fn'],
  ]);
  requireBoth(errors, [
    ['over', '--cost-over'],
    ['under', '--cost-under'],
  ]);
  if (decisions && errors)
    throw new InvalidError('--cost-fp and --cost-fn are for two classes, --cost-over and --cost-under for a number; give one pair.');
  if (!decisions && !errors) {
    const lonely = flags.kpi === undefined ? (flags.constraint === undefined ? undefined : '--constraint') : '--kpi';
    if (lonely === undefined) return undefined;
    throw new InvalidError(
      `${lonely} needs costs: --cost-fp with --cost-fn for two classes, or --cost-over with --cost-under for a number.`,
    );
  }
  return {
    ...(decisions ? { costs: decisions } : {}),
    ...(errors ? { costPerUnitError: errors } : {}),
    ...(flags.kpi === undefined ? {} : { kpi: parseKpi(flags.kpi) }),
    ...(flags.constraint === undefined ? {} : { constraint: parseConstraint(flags.constraint) }),
  };
}

function costs(given: Readonly<Record<string, readonly [flag: string, text: string | undefined]>>): Record<string, number> | undefined {
  const found = Object.entries(given).flatMap(([name, [flag, text]]) => {
    const value = parseNumber(flag, text, { min: -COST_MAX, max: COST_MAX });
    return value === undefined ? [] : [[name, value] as const];
  });
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

function requireBoth(found: Record<string, number> | undefined, names: readonly (readonly [name: string, flag: string])[]): void {
  const missing = found && names.find(([name]) => !(name in found));
  if (!missing) return;
  throw new InvalidError(`${missing[1]} is missing: costs need both ${names.map(([, flag]) => flag).join(' and ')}.`);
}

function parseKpi(text: string): Record<string, string> {
  const at = text.indexOf(':');
  return at < 0 ? { name: text } : { name: text.slice(0, at), unit: text.slice(at + 1) };
}

function parseConstraint(text: string): Record<string, unknown> {
  const [, metric, sign, bound] = /^\s*([a-z0-9_]+)\s*(>=|<=)\s*([-+.\deE]+)\s*$/.exec(text) ?? [];
  const value = Number(bound);
  if (metric === undefined || !Number.isFinite(value))
    throw new InvalidError(`--constraint wants metric>=number or metric<=number, got "${text}".`, {
      help: 'Metrics: precision, recall, f1, accuracy, mcc, balanced_accuracy, selection_rate',
    });
  return { metric, ...(sign === '>=' ? { atLeast: value } : { atMost: value }) };
}
