import { InvalidError } from '@slipway/kernel';
import { RetrainPolicy, RetrainTrigger } from '@slipway/project/contract';
import type { Command } from 'commander';
import { parseList, parseNumber } from './options.ts';
import { rolloutOf } from './rollout-flags.ts';

/** Flags that say when a release trains again. */
export interface RetrainFlags {
  readonly retrain?: readonly string[];
  readonly retrainRows?: string;
  readonly retrainDays?: string;
  readonly retrainFresh?: boolean;
  readonly retrainMargin?: string;
  readonly retrainRollout?: string;
  readonly retrainCoolDown?: string;
  readonly retrainBudget?: string;
  readonly retrainGain?: string;
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

export function addRetrainFlags(command: Command): Command {
  return command
    .option(
      '--retrain <triggers>',
      'train again by itself on labelled calls: drift, quality[:metric][:drop], new-data:2000, "schedule:0 3 * * 1" (commas or repeated)',
      collect,
      [],
    )
    .option('--retrain-rows <n>', 'labelled calls to learn from, the newest (default: 20000)')
    .option('--retrain-days <n>', '… and no older than so many days of event time')
    .option('--retrain-fresh', 'learn from calls alone; without it the launched rows stay in')
    .option('--retrain-margin <n>', 'how much worse than the live version it may be on held-back calls (default: 0.02)')
    .option('--retrain-rollout <strategy[:shares]>', 'shadow, canary:5,25,50 or ab:50 (default: shadow, judged by labels)')
    .option('--retrain-cool-down <length>', 'event time between two attempts, such as 7d (default: 24h)')
    .option('--retrain-budget <runs/days>', 'most attempts in so many days (default: 10/30)')
    .option('--retrain-gain <n>', 'only when the live version has lost so much accuracy (numbers: MAE) since it was proven');
}

/** The policy that the flags mean; undefined without `--retrain`. @throws {InvalidError} naming the flag. */
export function retrainOf(flags: RetrainFlags): RetrainPolicy | undefined {
  const texts = (flags.retrain ?? []).flatMap((text) => (text.startsWith('schedule:') ? [text] : parseList(text)));
  const { retrain: _, ...others } = flags;
  if (texts.length === 0) {
    const lonely = Object.entries(others).find(([name, value]) => name.startsWith('retrain') && value !== undefined);
    if (!lonely) return undefined;
    const flag = lonely[0].replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new InvalidError(`--${flag} says how to train again, but nothing says when.`, {
      help: 'Add for example --retrain drift,new-data:2000',
    });
  }
  const number = (name: string, text: string | undefined, whole = false) => parseNumber(name, text, { min: 0, max: 1e9, whole });
  const [runs, days] = (flags.retrainBudget ?? '').split('/');
  const given = {
    on: texts.map(parseTrigger),
    data: defined({
      rows: number('--retrain-rows', flags.retrainRows, true),
      days: number('--retrain-days', flags.retrainDays),
      original: flags.retrainFresh === true ? false : undefined,
    }),
    margin: number('--retrain-margin', flags.retrainMargin),
    rollout: rolloutOf(flags.retrainRollout),
    coolDown: flags.retrainCoolDown,
    budget:
      flags.retrainBudget === undefined
        ? undefined
        : defined({ runs: number('--retrain-budget', runs, true), days: number('--retrain-budget', days) }),
    expectedGain: flags.retrainGain === undefined ? undefined : { atLeast: number('--retrain-gain', flags.retrainGain) },
  };
  const parsed = RetrainPolicy.safeParse(defined(given));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new InvalidError(`--retrain: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is not valid'}.`, {
    help: 'slipway launch --help',
  });
}

/** `drift[:window]`, `quality[:metric][:drop]`, `new-data:rows`, `schedule:cron`. */
export function parseTrigger(text: string): RetrainTrigger {
  const at = text.indexOf(':');
  const kind = at < 0 ? text : text.slice(0, at);
  const rest = at < 0 ? '' : text.slice(at + 1);
  const parts = rest === '' ? [] : rest.split(':');
  const given: Record<string, unknown> = { kind };
  if (kind === 'schedule') given['cron'] = rest;
  else if (kind === 'new-data') given['rows'] = Number(rest);
  else if (kind === 'drift' && rest !== '') given['window'] = rest;
  else if (kind === 'quality') {
    for (const part of parts) given[Number.isNaN(Number(part)) ? 'metric' : 'drop'] = Number.isNaN(Number(part)) ? part : Number(part);
  }
  const parsed = RetrainTrigger.safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues.find(({ path }) => path[0] !== 'kind');
  throw new InvalidError(`--retrain: "${text}" starts no retraining${issue ? ` (${issue.path.join('.')}: ${issue.message})` : ''}.`, {
    details: { trigger: text },
    help: 'drift[:7d], quality[:metric][:drop], new-data:ROWS, "schedule:CRON"; several with commas, or the flag repeated.',
  });
}

function defined<T extends Record<string, unknown>>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}
