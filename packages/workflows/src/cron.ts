import { CronError } from './errors.ts';

/** A parsed cron expression: which values each field allows. Fields are in UTC. */
export interface Cron {
  readonly seconds: ReadonlySet<number>;
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  /** Unix cron: when both the day of the month and the weekday are restricted, either may match. */
  readonly eitherDay: boolean;
}

interface FieldRange {
  readonly name: string;
  readonly low: number;
  readonly high: number;
}

const SECOND: FieldRange = { name: 'second', low: 0, high: 59 };
const FIELDS: readonly FieldRange[] = [
  { name: 'minute', low: 0, high: 59 },
  { name: 'hour', low: 0, high: 23 },
  { name: 'day of the month', low: 1, high: 31 },
  { name: 'month', low: 1, high: 12 },
  { name: 'weekday', low: 0, high: 7 },
];

/** Nothing on the calendar repeats in more than 8 years (29 February around 2100). */
const SEARCH_LIMIT_DAYS = 366 * 8 + 2;
const DAY_MS = 86_400_000;

/**
 * Parses `minute hour day month weekday`, or six fields with seconds first. Each field takes `*`, numbers, ranges `a-b`,
 * steps `*\/n` and `a-b/n`, and lists with commas; weekdays are 0..7 with Sunday 0 or 7. Times are UTC.
 * @throws {CronError} naming the field.
 */
export function parseCron(text: string): Cron {
  const parts = text.trim().split(/\s+/);
  if (parts.length !== 5 && parts.length !== 6) {
    throw new CronError(`A cron expression has five fields, or six with seconds first; got ${parts.length}.`, {
      details: { cron: text.slice(0, 100) },
      help: 'For example "0 3 * * *" is every day at 03:00 UTC.',
    });
  }
  const seconds = parts.length === 6 ? parseField(parts[0] as string, SECOND) : new Set([0]);
  const [minutes, hours, days, months, weekdays] = parts.slice(-5).map((part, index) => parseField(part, FIELDS[index] as FieldRange)) as [
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
  ];
  if (weekdays.delete(7)) weekdays.add(0);
  const eitherDay = days.size < 31 && weekdays.size < 7;
  return { seconds, minutes, hours, days, months, weekdays, eitherDay };
}

function parseField(text: string, field: FieldRange): Set<number> {
  const values = new Set<number>();
  for (const item of text.split(',')) {
    const match = /^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(item);
    const low = match?.[1] === undefined ? field.low : Number(match[1]);
    const step = match?.[3] === undefined ? 1 : Number(match[3]);
    const openEnd = match?.[1] === undefined || (match[2] === undefined && match[3] !== undefined);
    const high = match?.[2] !== undefined ? Number(match[2]) : openEnd ? field.high : low;
    if (!match || step === 0 || low < field.low || high > field.high || low > high) {
      throw new CronError(`The ${field.name} "${item.slice(0, 50)}" is not within ${field.low}-${field.high}.`, {
        details: { field: field.name, got: item.slice(0, 50) },
      });
    }
    for (let value = low; value <= high; value += step) values.add(value);
  }
  return values;
}

/** The first moment strictly after `afterMs`, in ms UTC. @throws {CronError} when there is none, such as on 30 February. */
export function nextCronMs(cron: Cron, afterMs: number): number {
  const first = Math.floor(afterMs / 1000) * 1000 + 1000;
  const firstDay = Math.floor(first / DAY_MS) * DAY_MS;
  for (let day = 0; day < SEARCH_LIMIT_DAYS; day += 1) {
    const dayMs = firstDay + day * DAY_MS;
    if (!dayMatches(cron, new Date(dayMs))) continue;
    const within = firstTimeOfDay(cron, day === 0 ? first - dayMs : 0);
    if (within !== undefined) return dayMs + within;
  }
  throw new CronError('The cron expression never fires.', { help: 'The day of the month does not exist in the months given.' });
}

function dayMatches(cron: Cron, day: Date): boolean {
  if (!cron.months.has(day.getUTCMonth() + 1)) return false;
  const byDay = cron.days.has(day.getUTCDate());
  const byWeekday = cron.weekdays.has(day.getUTCDay());
  return cron.eitherDay ? byDay || byWeekday : byDay && byWeekday;
}

/** Milliseconds into the day of the first allowed time at or after `fromMs`. */
function firstTimeOfDay(cron: Cron, fromMs: number): number | undefined {
  const fromSecond = Math.ceil(fromMs / 1000);
  for (let hour = Math.floor(fromSecond / 3600); hour < 24; hour += 1) {
    if (!cron.hours.has(hour)) continue;
    const startMinute = Math.max(0, Math.floor((fromSecond - hour * 3600) / 60));
    for (let minute = startMinute; minute < 60; minute += 1) {
      if (!cron.minutes.has(minute)) continue;
      const startSecond = Math.max(0, fromSecond - hour * 3600 - minute * 60);
      for (let second = startSecond; second < 60; second += 1) {
        if (cron.seconds.has(second)) return ((hour * 60 + minute) * 60 + second) * 1000;
      }
    }
  }
  return undefined;
}
