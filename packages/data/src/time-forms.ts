import { parseTime } from '@slipway/kernel';

/**
 * Forms of times that a column may be written in: `iso` (RFC 3339, a date, or a local-looking time read as UTC), `slash`
 * (2024/03/31 with or without a time), `month` (2024-03), `named` (31 Mar 2024, 31-March-2024, Mar 31, 2024), `dmy` and `mdy`
 * (31/03/2024, 31.3.2024, 31-03-2024, with or without a time).
 */
export type TimeForm = 'iso' | 'slash' | 'month' | 'named' | 'dmy' | 'mdy';

const ISO_START = /^\d{4}-/;
const MONTH = /^(\d{4})-(\d{2})$/;
const SLASH = /^(\d{4})\/(\d{1,2})\/(\d{1,2})(?:[ T](\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?))?$/;
const PARTS = /^(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:[ T](\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?))?$/;

const MONTHS = ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september', 'october', 'november', 'december'];
/** English names, whole or their first three letters; day first or month first. */
const NAMED = /^(?:(\d{1,2})[ -]([a-z]{3,9})[ -](\d{4})|([a-z]{3,9})[ -](\d{1,2}),?[ -](\d{4}))$/i;

/** Every form in which the text is a time that exists. */
export function timeForms(text: string): TimeForm[] {
  const month = MONTH.exec(text);
  if (month) return exists(month[1], month[2], '1', undefined) ? ['month'] : [];
  if (ISO_START.test(text)) return parseTime(text) === undefined ? [] : ['iso'];
  const slash = SLASH.exec(text);
  if (slash) return exists(slash[1], slash[2], slash[3], slash[4]) ? ['slash'] : [];
  const named = NAMED.exec(text);
  if (named) return exists(named[3] ?? named[6], monthOf(named[2] ?? named[4]), named[1] ?? named[5], undefined) ? ['named'] : [];
  const parts = PARTS.exec(text);
  if (!parts) return [];
  const [, first, , second, year, time] = parts;
  const forms: TimeForm[] = [];
  if (exists(year, second, first, time)) forms.push('dmy');
  if (exists(year, first, second, time)) forms.push('mdy');
  return forms;
}

/** Number of a month's name; 0, which is no month, for other words. */
function monthOf(name = ''): string {
  const lower = name.toLowerCase();
  return String(MONTHS.findIndex((month) => month === lower || month.slice(0, 3) === lower) + 1);
}

function exists(year: string | undefined, month: string | undefined, day: string | undefined, time: string | undefined): boolean {
  const date = `${year}-${month?.padStart(2, '0')}-${day?.padStart(2, '0')}`;
  return (
    parseTime(time === undefined ? date : `${date} ${time.padStart(time.indexOf(':') === 1 ? time.length + 1 : time.length, '0')}`) !==
    undefined
  );
}

/** DuckDB's SQL that turns such a text into a TIMESTAMPTZ of whole milliseconds. */
export function timeSql(expression: string, form: TimeForm): string {
  const iso = isoSql(expression, form);
  // Digits past the millisecond are cut before the cast, so that the value is that of the kernel's parseTime before 1970 as well.
  const cut = `regexp_replace(${iso}, '(\\.\\d{3})\\d+', '\\1')`;
  return `cast(${cut} as timestamptz)`;
}

const TIME_TAIL = '(?:[ T](\\d.*))?';

function isoSql(expression: string, form: TimeForm): string {
  switch (form) {
    case 'iso':
      // DuckDB wants seconds before a zone, and no space there.
      return `regexp_replace(regexp_replace(upper(${expression}), '\\s+([Z+-])', '\\1'), '^(.{10}[T ]\\d{2}:\\d{2})([Z+-].*)$', '\\1:00\\2')`;
    case 'slash':
      return `replace(${expression}, '/', '-')`;
    case 'month':
      return `${expression} || '-01'`;
    case 'named': {
      const words = `regexp_replace(replace(${expression}, ',', ' '), '[ -]+', ' ', 'g')`;
      return `strftime(strptime(${words}, ['%d %b %Y', '%d %B %Y', '%b %d %Y', '%B %d %Y']), '%Y-%m-%d')`;
    }
    case 'dmy':
      return `trim(regexp_replace(${expression}, '^(\\d+)[/.-](\\d+)[/.-](\\d{4})${TIME_TAIL}$', '\\3-\\2-\\1 \\4'))`;
    case 'mdy':
      return `trim(regexp_replace(${expression}, '^(\\d+)[/.-](\\d+)[/.-](\\d{4})${TIME_TAIL}$', '\\3-\\1-\\2 \\4'))`;
  }
}
