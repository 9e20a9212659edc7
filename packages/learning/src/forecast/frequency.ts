/** The grid a series lives on: equal steps of milliseconds from an offset, or calendar months. */
export type Frequency =
  | { readonly unit: 'milliseconds'; readonly step: number; /** 0 <= offset < step. */ readonly offset: number }
  | { readonly unit: 'months'; readonly step: number; /** Months since 1970-01 modulo `step`. */ readonly offset: number };

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;
const MONTH_DAYS_MIN = 28;

const monthNumber = (timeMs: number) => {
  const date = new Date(timeMs);
  return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
};

const modulo = (value: number, by: number) => ((value % by) + by) % by;

/** The most frequent of some numbers; the smallest of equals. Undefined when there are none. */
function mode(values: Iterable<number>): number | undefined {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  let best: readonly [number, number] | undefined;
  for (const entry of counts) if (!best || entry[1] > best[1] || (entry[1] === best[1] && entry[0] < best[0])) best = entry;
  return best?.[0];
}

/**
 * The step by which most neighbouring times of the series differ; undefined when no series has two times.
 * @param series ascending times, milliseconds UTC, one list a series.
 */
export function inferFrequency(series: readonly Float64Array[]): Frequency | undefined {
  const steps: number[] = [];
  for (const times of series) for (let at = 1; at < times.length; at += 1) steps.push((times[at] as number) - (times[at - 1] as number));
  const step = mode(steps.filter((gap) => gap > 0));
  if (step === undefined) return undefined;
  if (step >= MONTH_DAYS_MIN * DAY) {
    const months: number[] = [];
    for (const times of series)
      for (let at = 1; at < times.length; at += 1) months.push(monthNumber(times[at] as number) - monthNumber(times[at - 1] as number));
    const common = mode(months.filter((gap) => gap > 0));
    if (common !== undefined) return monthly(common, series);
  }
  return regular(step, series);
}

function monthly(step: number, series: readonly Float64Array[]): Frequency {
  return { unit: 'months', step, offset: mode(allTimes(series).map((time) => modulo(monthNumber(time), step))) ?? 0 };
}

function regular(step: number, series: readonly Float64Array[]): Frequency {
  return { unit: 'milliseconds', step, offset: mode(allTimes(series).map((time) => modulo(time, step))) ?? 0 };
}

const allTimes = (series: readonly Float64Array[]) => series.flatMap((times) => [...times]);

const NAMED: Readonly<Record<string, number>> = { s: SECOND, min: MINUTE, h: HOUR, d: DAY, w: WEEK };

/** Parses `15min`, `1h`, `1d`, `1w`, `1mo`, `1q`, `1y`; the offset is found in the times. Undefined when it is none of them. */
export function parseFrequency(text: string, series: readonly Float64Array[]): Frequency | undefined {
  const match = /^(\d{0,4})\s*(s|min|h|d|w|mo|q|y)$/.exec(text.trim().toLowerCase());
  const count = Number(match?.[1] || '1');
  const unit = match?.[2];
  if (unit === undefined || count < 1) return undefined;
  if (unit === 'mo') return monthly(count, series);
  if (unit === 'q') return monthly(3 * count, series);
  if (unit === 'y') return monthly(12 * count, series);
  return regular(count * (NAMED[unit] as number), series);
}

/** `1h`, `15min`, `1mo`: what `parseFrequency` reads. */
export function frequencyName(frequency: Frequency): string {
  if (frequency.unit === 'months') {
    if (frequency.step % 12 === 0) return `${frequency.step / 12}y`;
    return frequency.step % 3 === 0 ? `${frequency.step / 3}q` : `${frequency.step}mo`;
  }
  for (const unit of ['w', 'd', 'h', 'min', 's'] as const) {
    const size = NAMED[unit] as number;
    if (frequency.step % size === 0) return `${frequency.step / size}${unit}`;
  }
  return `${frequency.step}ms`;
}

/** Nearest position on the grid; daily times that daylight saving moves by an hour stay on their day. */
export function stepIndex(frequency: Frequency, timeMs: number): number {
  if (frequency.unit === 'months') return Math.floor((monthNumber(timeMs) - frequency.offset) / frequency.step);
  return Math.round((timeMs - frequency.offset) / frequency.step);
}

/** The time of a position, milliseconds UTC; months begin on their first day. */
export function stepTime(frequency: Frequency, index: number): number {
  if (frequency.unit === 'months') return Date.UTC(1970, index * frequency.step + frequency.offset, 1);
  return index * frequency.step + frequency.offset;
}

/** Seasons that usually matter at a frequency, in steps: day and week of short steps, the week of days, the year of weeks, months and quarters. */
export function usualSeasons(frequency: Frequency): number[] {
  if (frequency.unit === 'months') return 12 % frequency.step === 0 && frequency.step < 12 ? [12 / frequency.step] : [];
  const { step } = frequency;
  if (step < DAY) {
    const spans = step < MINUTE ? [HOUR] : [DAY, WEEK];
    return spans.filter((span) => span % step === 0 && span / step <= SEASON_LIMIT).map((span) => span / step);
  }
  if (step === DAY) return [7];
  return step === WEEK ? [52] : [];
}

/** Longest season in steps. */
export const SEASON_LIMIT = 10_080;

/** The horizon when none is given: two of the shortest season up to what makes sense, else a handful of steps. */
export function usualHorizon(frequency: Frequency): number {
  const [season] = usualSeasons(frequency);
  if (season === undefined) return 6;
  if (season === 7) return 14;
  return season > 24 && frequency.unit === 'milliseconds' && frequency.step < WEEK
    ? season
    : Math.min(season * (season === 24 ? 2 : 1), 48);
}

const CALENDAR = { hour: HOUR, weekday: DAY, monthDay: DAY, yearDay: WEEK } as const;

/** Names of the calendar numbers that can matter at a frequency; see `calendarOf`. */
export function calendarParts(frequency: Frequency): readonly string[] {
  if (frequency.unit === 'months') return frequency.step < 12 ? ['month'] : [];
  const parts: string[] = [];
  if (frequency.step <= CALENDAR.hour * 12) parts.push('hour');
  if (frequency.step <= CALENDAR.weekday) parts.push('weekday', 'day of month');
  if (frequency.step <= CALENDAR.yearDay) parts.push('day of year');
  return parts;
}

/** The calendar numbers of a time, in the order of `calendarParts`. */
export function calendarOf(parts: readonly string[], timeMs: number): number[] {
  const date = new Date(timeMs);
  return parts.map((part) => {
    if (part === 'hour') return date.getUTCHours() + date.getUTCMinutes() / 60;
    if (part === 'weekday') return date.getUTCDay();
    if (part === 'day of month') return date.getUTCDate();
    if (part === 'month') return date.getUTCMonth() + 1;
    return Math.floor((timeMs - Date.UTC(date.getUTCFullYear(), 0, 1)) / DAY) + 1;
  });
}
