import type { FieldType } from '@slipway/kernel';
import { type ColumnObserver, MARKERS_IN_TYPED } from './observe-column.ts';
import { type TimeForm, timeSql } from './time-forms.ts';

/** How numbers are written: `plain` (1234.5), `decimalComma` (1234,5), `commaGroups` (1,234.5) or `dotGroups` (1.234,5). */
type NumberForm = 'plain' | 'decimalComma' | 'commaGroups' | 'dotGroups';

/** How the texts of a raw column become values. */
export interface ColumnReading {
  readonly type: FieldType;
  readonly numberForm: NumberForm;
  /** What every number carries and is read without: a sign of currency or of percent; '' for none. */
  readonly mark: string;
  readonly timeForm: TimeForm | undefined;
  /** Texts of this column that count as missing, with how often each was seen; blanks under the empty text. */
  readonly markers: Readonly<Record<string, number>>;
  readonly missing: number;
  readonly notes: readonly string[];
}

export interface TypeOptions {
  readonly decimalComma: boolean;
  /** The source tells texts from numbers itself (JSON). */
  readonly typed: boolean;
  readonly nested: boolean;
  readonly dayFirst: boolean | undefined;
}

/** At least this share of numbers (or times) among a column's values is worth a note when the rest makes it text. */
const NEARLY_RATIO = 0.9;

/**
 * Decides a column's type from all its values, never from a sample: a type holds only if every value that is not
 * missing has it. Whole numbers that would lose something as numbers (leading zeros, more digits than int64) are texts.
 */
export function inferType(observer: ColumnObserver, options: TypeOptions): ColumnReading {
  const { real } = observer;
  if (options.nested) return textReading(observer, 'json', []);
  if (real === 0) return textReading(observer, 'string', []);
  if (options.typed && observer.texts > 0) return inferFromTexts(observer, options);
  if (observer.integers === real) return typedReading(observer, 'int64');
  if (observer.integers + observer.decimals === real) return typedReading(observer, 'float64');
  if (observer.booleans === real) return typedReading(observer, 'boolean');
  return (
    inferMarked(observer, options) ??
    inferSeparated(observer, options) ??
    inferTime(observer, options) ??
    textReading(observer, 'string', textNotes(observer, options))
  );
}

/** JSON strings are texts or times; whatever looks like a number in them is text because the source says so. */
function inferFromTexts(observer: ColumnObserver, options: TypeOptions): ColumnReading {
  const allTexts = observer.texts === observer.real;
  const mixed = `Kept as text: ${observer.texts} of ${observer.real} values are texts in the JSON ("12"), the others are not.`;
  return (allTexts ? inferTime(observer, options) : undefined) ?? textReading(observer, 'string', allTexts ? [] : [mixed]);
}

/**
 * Numbers with commas: decimal commas where the comma does not separate values, thousands where every value allows them and
 * one shows them. 1.234 alone stays a decimal; dots are thousands only beside a decimal comma.
 */
function inferSeparated(observer: ColumnObserver, options: TypeOptions): ColumnReading | undefined {
  const { real, integers, decimals, decimalCommas, commaGroups, dotGroups } = observer;
  const reading = (type: FieldType, numberForm: NumberForm, note: string) => ({
    ...typedReading(observer, type),
    numberForm,
    notes: [note],
  });
  if (options.decimalComma && integers + decimalCommas === real) return reading('float64', 'decimalComma', 'Read with decimal commas.');
  const likeCommas = observer.decimalCommasLikeGroups === decimalCommas ? decimalCommas : 0;
  if (commaGroups + likeCommas > 0 && integers + decimals + likeCommas + commaGroups === real) {
    const isWhole = decimals === 0 && observer.commaGroupFractions === 0;
    return reading(isWhole ? 'int64' : 'float64', 'commaGroups', 'Read with commas between thousands.');
  }
  const likeDots = observer.decimalsLikeGroups === decimals ? decimals : 0;
  const commas = decimalCommas + observer.dotGroupFractions;
  if (dotGroups > 0 && commas > 0 && integers + likeDots + decimalCommas + dotGroups === real) {
    return reading('float64', 'dotGroups', 'Read with points between thousands and decimal commas.');
  }
  return undefined;
}

/** Amounts and shares that all carry one sign are numbers without it: $1,234.50, 12 %. A share stays in percent. */
function inferMarked(observer: ColumnObserver, options: TypeOptions): ColumnReading | undefined {
  const { unmarked, mark, real } = observer;
  if (!unmarked || unmarked.values !== real) return undefined;
  const { type, numberForm, notes } = inferType(unmarked, options);
  if (type !== 'int64' && type !== 'float64') return undefined;
  return { ...typedReading(observer, type), numberForm, mark, notes: [`Read without the sign "${mark}" that every value has.`, ...notes] };
}

function inferTime(observer: ColumnObserver, options: TypeOptions): ColumnReading | undefined {
  const whole = (form: TimeForm) => observer.times.get(form) === observer.real;
  const form = (['iso', 'slash', 'month', 'named'] as const).find(whole) ?? dayOrMonthFirst(whole('dmy'), whole('mdy'), options.dayFirst);
  return form && form !== 'ambiguous' ? { ...typedReading(observer, 'timestamp'), timeForm: form } : undefined;
}

function dayOrMonthFirst(dmy: boolean, mdy: boolean, dayFirst: boolean | undefined): TimeForm | 'ambiguous' | undefined {
  if (dmy && mdy) return dayFirst === undefined ? 'ambiguous' : dayFirst ? 'dmy' : 'mdy';
  return dmy ? 'dmy' : mdy ? 'mdy' : undefined;
}

function typedReading(observer: ColumnObserver, type: FieldType): ColumnReading {
  const markers = { ...Object.fromEntries(observer.markers), ...(observer.blanks > 0 ? { '': observer.blanks } : {}) };
  return { type, numberForm: 'plain', mark: '', timeForm: undefined, markers, missing: observer.values - observer.real, notes: [] };
}

const AMBIGUOUS: ReadonlySet<string> = new Set(MARKERS_IN_TYPED);

function textReading(observer: ColumnObserver, type: FieldType, notes: readonly string[]): ColumnReading {
  const reading = typedReading(observer, type);
  if (observer.ambiguous === 0) return { ...reading, notes };
  const kept = [...observer.markers].filter(([text]) => AMBIGUOUS.has(text));
  const markers = Object.fromEntries(Object.entries(reading.markers).filter(([text]) => !AMBIGUOUS.has(text)));
  const shown = kept.map(([text, count]) => `"${text}" (${count})`).join(', ');
  const note = `${shown} kept as a value of its own; if it means missing, say so with --missing (\`missing\`).`;
  return { ...reading, markers, missing: reading.missing - observer.ambiguous, notes: [...notes, note] };
}

/** Says why a column that nearly is something more specific became text. */
function textNotes(observer: ColumnObserver, options: TypeOptions): string[] {
  const { real } = observer;
  const numbers = observer.integers + observer.decimals + observer.codes;
  const strays = observer.strays.map(({ text, line }) => `"${text}" at line ${line}`).join(', ');
  if (observer.codes > 0 && numbers === real) {
    return ['Kept as text: whole numbers with leading zeros or more than 19 digits would change as numbers.'];
  }
  if (observer.times.get('dmy') === real && observer.times.get('mdy') === real && options.dayFirst === undefined) {
    return ['Kept as text: these dates may be day/month or month/day; say which with --dates day-first or month-first (`dayFirst`).'];
  }
  if (observer.decimalCommas > 0 && observer.decimals > 0) return ['Kept as text: decimal points and decimal commas are mixed.'];
  if (numbers >= NEARLY_RATIO * real && strays !== '') {
    return [`Kept as text: ${numbers} of ${real} values are numbers, but not ${strays}.`];
  }
  const times = Math.max(0, ...observer.times.values());
  if (times >= NEARLY_RATIO * real && strays !== '') return [`Kept as text: ${times} of ${real} values are times, but not ${strays}.`];
  return [];
}

/**
 * Reads a column as a type that a contract asks for, where every value allows it without loss.
 * @returns undefined when the values are not of that type.
 */
export function readAs(wanted: FieldType, observer: ColumnObserver, inferred: ColumnReading): ColumnReading | undefined {
  if (wanted === inferred.type) return inferred;
  if (wanted === 'string' || (wanted === 'json' && inferred.type === 'string')) return { ...textReading(observer, wanted, []), notes: [] };
  // A column without values has every type.
  if (observer.real === 0) return typedReading(observer, wanted);
  if (wanted === 'float64' && inferred.type === 'int64') return { ...inferred, type: 'float64' };
  return undefined;
}

/** SQL that makes the value from the raw text, or NULL. */
export function valueSql(expression: string, reading: ColumnReading, observer: ColumnObserver): string {
  const texts = Object.keys(reading.markers).filter((text) => text !== '');
  const trimmed = observer.padded > 0 && (reading.type !== 'string' || texts.length > 0) ? `trim(${expression}, ' \t\n\r')` : expression;
  const value = castSql(reading.type === 'string' ? expression : trimmed, reading);
  if (texts.length === 0) return value;
  const list = texts.map((text) => `'${text.replaceAll("'", "''")}'`).join(', ');
  return `case when ${trimmed} in (${list}) then null else ${value} end`;
}

function plainNumberSql(expression: string, { mark, numberForm }: ColumnReading): string {
  const number = mark === '' ? expression : `replace(replace(${expression}, '${mark}', ''), ' ', '')`;
  switch (numberForm) {
    case 'plain':
      return number;
    case 'decimalComma':
      return `replace(${number}, ',', '.')`;
    case 'commaGroups':
      return `replace(${number}, ',', '')`;
    case 'dotGroups':
      return `replace(replace(${number}, '.', ''), ',', '.')`;
  }
}

function castSql(expression: string, reading: ColumnReading): string {
  switch (reading.type) {
    case 'int64':
      return `cast(${plainNumberSql(expression, reading)} as bigint)`;
    case 'float64':
      // Adding zero turns -0 into 0: the two are one value.
      return `cast(${plainNumberSql(expression, reading)} as double) + 0.0`;
    case 'boolean':
      return `(lower(${expression}[1]) = 't')`;
    case 'timestamp':
      return timeSql(expression, reading.timeForm ?? 'iso');
    case 'string':
    case 'json':
      return expression;
  }
}
