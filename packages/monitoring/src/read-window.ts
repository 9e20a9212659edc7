import { parseTime } from '@slipway/kernel';
import { WindowInvalidError } from './errors.ts';
import { WINDOW_DEFAULT, WINDOW_LIMIT_MS } from './limits.ts';

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

export interface WindowQuery {
  readonly window?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/**
 * The window a query means, from inclusive, to exclusive: `to` is now unless given, `from` is `window` before it.
 * @throws {WindowInvalidError}
 */
export function readWindow(query: WindowQuery, nowMs: number): { fromMs: number; toMs: number } {
  if (query.window !== undefined && query.from !== undefined) {
    throw invalid('Give "window" or "from", not both.', 'window');
  }
  // A call of this very millisecond belongs to the window that ends now.
  const toMs = query.to === undefined ? nowMs + 1 : readTime(query.to, 'to');
  const fromMs = query.from === undefined ? toMs - readLengthMs(query.window ?? WINDOW_DEFAULT) : readTime(query.from, 'from');
  if (fromMs >= toMs) throw invalid('The window ends before it begins.', 'from');
  if (toMs - fromMs > WINDOW_LIMIT_MS) throw invalid(`The window is longer than ${WINDOW_LIMIT_MS / 86_400_000} days.`, 'from');
  return { fromMs, toMs };
}

function readLengthMs(text: string): number {
  const match = /^(\d{1,6})([smhdw])$/.exec(text);
  const lengthMs = match ? Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0) : 0;
  if (lengthMs === 0) throw invalid(`"${text}" is no length of time.`, 'window');
  return lengthMs;
}

function readTime(text: string, field: string): number {
  const timeMs = /^\d{1,16}$/.test(text) ? Number(text) : parseTime(text);
  if (timeMs === undefined || Math.abs(timeMs) > 8.64e15) throw invalid(`"${text.slice(0, 40)}" is no time.`, field);
  return timeMs;
}

function invalid(message: string, field: string): WindowInvalidError {
  return new WindowInvalidError(message, {
    details: { field },
    help: 'A window is a number and s, m, h, d or w, such as 24h; a time is RFC 3339, such as 2026-01-31T12:00:00Z.',
  });
}
