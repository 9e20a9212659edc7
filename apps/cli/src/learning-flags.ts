import { InvalidError } from '@slipway/kernel';
import type { InteractionsDefinition, LossDefinition, MonotoneDefinition } from '@slipway/project/contract';
import { parseList, parseNumber } from './options.ts';

const LOSSES = 'squared, absolute, quantile:LEVEL, poisson, tweedie:POWER, lambdarank';
const NUMBERS = { min: 0, max: 2 };

/** `--loss quantile:0.9` and its kind. @throws {InvalidError} naming the flag. */
export function parseLoss(text: string | undefined): LossDefinition | undefined {
  if (text === undefined) return undefined;
  const [kind = '', parameter] = text.split(':', 2);
  const number = parseNumber('--loss', parameter, NUMBERS);
  if (kind === 'quantile' && !(number !== undefined && (number <= 0 || number >= 1))) return { kind, level: number ?? 0.5 };
  if (kind === 'tweedie' && !(number !== undefined && (number <= 1 || number >= 2))) return { kind, power: number ?? 1.5 };
  const isPlain = kind === 'squared' || kind === 'absolute' || kind === 'poisson' || kind === 'lambdarank';
  if (isPlain && parameter === undefined) return { kind };
  throw new InvalidError(`--loss: there is no loss "${text}".`, {
    help: `Losses: ${LOSSES}; a level lies between 0 and 1, a power between 1 and 2.`,
  });
}

/** `--monotone age=increasing,debt=decreasing`. @throws {InvalidError} naming the flag. */
export function parseMonotone(texts: readonly string[]): MonotoneDefinition | undefined {
  const entries = texts.flatMap(parseList).map((text) => {
    const at = text.lastIndexOf('=');
    const direction = text.slice(at + 1);
    if (at < 1 || (direction !== 'increasing' && direction !== 'decreasing'))
      throw new InvalidError(`--monotone wants column=increasing or column=decreasing, got "${text}".`);
    return [text.slice(0, at), direction] as const;
  });
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** `--interactions a+b,c+d+e`: lists of columns that may meet on one branch. */
export function parseInteractions(texts: readonly string[]): InteractionsDefinition | undefined {
  const lists = texts.flatMap(parseList).map((text) =>
    text
      .split('+')
      .map((column) => column.trim())
      .filter((column) => column !== ''),
  );
  return lists.length === 0 ? undefined : lists.filter((list) => list.length > 0);
}
