const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Parts of the calendar (UTC) that are categories of their own: what happens at 8 says little about 9. */
export type CalendarPart = 'hour' | 'weekday' | 'month';

/** How many values a part has, and how long one round of them takes. */
export const CALENDAR_SIZES: Readonly<Record<CalendarPart, { readonly count: number; readonly roundMs: number }>> = {
  hour: { count: 24, roundMs: DAY_MS },
  weekday: { count: 7, roundMs: 7 * DAY_MS },
  month: { count: 12, roundMs: 365 * DAY_MS },
};

/**
 * How a part is computed from milliseconds since 1970, in whole numbers only, the same here and in the graph:
 * divide by `unitMs` (downwards), add `shift`, take the remainder by `period`.
 */
export const CALENDAR_STEPS = {
  hour: { unitMs: HOUR_MS, shift: 0, period: 24 },
  /** 1 January 1970 was a Thursday. */
  weekday: { unitMs: DAY_MS, shift: 3, period: 7 },
  /** Days of the 400-year cycle that begins on 1 March 0000. */
  month: { unitMs: DAY_MS, shift: 719_468, period: 146_097 },
} as const;

/** @returns hour 0..23, weekday 0 (Monday)..6 or month 0..11 of a time in milliseconds UTC. */
export function calendarCode(part: CalendarPart, timeMs: number): number {
  const { unitMs, shift, period } = CALENDAR_STEPS[part];
  const shifted = Math.floor(Math.floor(timeMs) / unitMs) + shift;
  const rest = ((shifted % period) + period) % period;
  return part === 'month' ? monthOfDay(rest) : rest;
}

/** Month 0..11 of a day of the 400-year cycle (Hinnant 2013, days to civil). */
function monthOfDay(day: number): number {
  const whole = Math.floor;
  const year = whole((day - whole(day / 1_460) + whole(day / 36_524) - whole(day / 146_096)) / 365);
  const dayOfYear = day - (365 * year + whole(year / 4) - whole(year / 100));
  return (whole((5 * dayOfYear + 2) / 153) + 2) % 12;
}
