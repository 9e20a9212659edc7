import { InvalidError } from '@slipway/kernel';
import { RolloutMetric, RolloutOptions } from '@slipway/releases/rollout-contract';
import type { Command } from 'commander';
import { parseList, parseNumber } from './options.ts';

/** Flags that say how a new revision takes over. */
export interface RolloutFlags {
  readonly strategy?: string;
  readonly steps?: string;
  readonly shadow?: string | boolean;
  readonly approval?: boolean;
  readonly goal?: readonly string[];
  readonly guardrail?: readonly string[];
  readonly require?: string;
  readonly confidence?: string;
  readonly minUnits?: string;
  readonly minStepSeconds?: string;
  readonly maxHours?: string;
  readonly onExpiry?: string;
  readonly lookSeconds?: string;
}

export function addRolloutFlags(command: Command): Command {
  const collect = (value: string, before: readonly string[]) => [...before, value];
  return command
    .option('--strategy <name>', 'canary: growing shares; ab: one split until decided; shadow: mirrored calls only', 'canary')
    .option('--steps <a,b,c>', 'shares of the traffic in per cent (canary: 5,25,50; ab: 50)')
    .option('--shadow [percent]', 'first mirror this share of the calls: answered a second time, seen by nobody')
    .option('--approval', 'wait for: slipway rollout approve')
    .option('--goal <metric>', 'what it is about, such as error-rate, cost:0.1, label:correct:0.01, rating:value (repeatable)', collect, [])
    .option('--guardrail <metric>', 'what must not break, such as latency:p99:0.5, predictions:0.2, or none (repeatable)', collect, [])
    .option('--require <verdict>', 'no-worse (than the margin) or better')
    .option('--confidence <share>', 'that no verdict is ever wrong (default: 0.95)')
    .option('--min-units <n>', 'units each version needs in a step (default: 100)')
    .option('--min-step-seconds <n>', 'time of a step at least (default: 60)')
    .option('--max-hours <n>', 'time of the whole at most (default: 168)')
    .option('--on-expiry <action>', 'roll-back or promote when that time is over without a verdict (default: roll-back)')
    .option('--look-seconds <n>', 'time between two looks (default: 10)');
}

/** The options that the flags mean. @throws {InvalidError} naming the flag. */
export function rolloutOptions(flags: RolloutFlags): RolloutOptions {
  const limits = { min: 0, max: 1e9 };
  const given = {
    strategy: flags.strategy,
    steps: flags.steps === undefined ? undefined : parseList(flags.steps).map((text) => percent('--steps', text)),
    shadow:
      flags.shadow === undefined || flags.shadow === false ? undefined : flags.shadow === true ? 1 : percent('--shadow', flags.shadow),
    approval: flags.approval,
    goals: metrics(flags.goal),
    guardrails: flags.guardrail?.length === 1 && flags.guardrail[0] === 'none' ? [] : metrics(flags.guardrail),
    require: flags.require,
    confidence: parseNumber('--confidence', flags.confidence, limits),
    minUnits: parseNumber('--min-units', flags.minUnits, { ...limits, whole: true }),
    minStepSeconds: parseNumber('--min-step-seconds', flags.minStepSeconds, limits),
    maxHours: parseNumber('--max-hours', flags.maxHours, limits),
    onExpiry: flags.onExpiry,
    lookSeconds: parseNumber('--look-seconds', flags.lookSeconds, limits),
  };
  const parsed = RolloutOptions.safeParse(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const flag = String(issue?.path[0] ?? '')
    .replace(/s$/, (letter) => (/^(goal|guardrail)s$/.test(String(issue?.path[0])) ? '' : letter))
    .replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new InvalidError(`--${flag}: ${issue?.message ?? 'is not valid'}.`, { help: 'slipway rollout start --help' });
}

function percent(flag: string, text: string): number {
  const value = parseNumber(flag, text.replace(/%$/, ''), { min: 0, max: 100 }) ?? 0;
  return value / 100;
}

function metrics(texts: readonly string[] | undefined): RolloutMetric[] | undefined {
  return texts === undefined || texts.length === 0 ? undefined : texts.map(parseMetric);
}

/** `error-rate[:margin]`, `latency[:p95][:margin]`, `cost[:margin]`, `predictions[:margin]`, or `OUTCOME:SCORE[:margin]`. */
export function parseMetric(text: string): RolloutMetric {
  const [name = '', ...rest] = text.split(':');
  const quantile = name === 'latency' && /^p\d/.test(rest[0] ?? '') ? Number(rest.shift()?.slice(1)) / 100 : undefined;
  const isKnown = ['error-rate', 'latency', 'cost', 'predictions'].includes(name);
  const score = isKnown ? undefined : rest.shift();
  const [marginText, ...tooMany] = rest;
  const margin = marginText === undefined ? undefined : Number(marginText);
  const given = isKnown ? { metric: name, quantile, margin } : { metric: 'outcome', outcome: name, score, margin };
  const parsed = RolloutMetric.safeParse(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
  if (parsed.success && tooMany.length === 0 && (isKnown || score !== undefined)) return parsed.data;
  throw new InvalidError(`"${text}" is no metric of a rollout.`, {
    details: { metric: text },
    help: 'error-rate[:margin], latency[:p95][:margin], cost[:margin], predictions[:margin], or OUTCOME:correct|value|absolute-error[:margin]',
  });
}

/** `canary`, `canary:5,25,50`, `ab:50`, `shadow` or `shadow:20` of a launch. */
export function rolloutOf(text: string | undefined): RolloutOptions | undefined {
  if (text === undefined) return undefined;
  const [strategy = '', shares] = text.split(':');
  if (!['canary', 'ab', 'shadow'].includes(strategy))
    throw new InvalidError(`--rollout must be canary, ab or shadow, with shares in per cent if you like (canary:5,25,50); got "${text}".`);
  if (strategy === 'shadow') return rolloutOptions({ strategy, ...(shares === undefined ? {} : { shadow: shares }) });
  return rolloutOptions({ strategy, ...(shares === undefined ? {} : { steps: shares }) });
}
