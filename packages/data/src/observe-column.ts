import { groupShape } from './group-shape.ts';
import { type TimeForm, timeForms } from './time-forms.ts';

/** Texts that mean "missing" in a column of any type, besides blanks. */
export const MARKERS_ALWAYS = ['?', 'NaN', 'nan', 'null', 'NULL', '<NA>', '#N/A', '\\N'] as const;
/**
 * Texts that mean "missing" only where all other values are numbers, booleans or times. In a column of texts they may be
 * a genuine answer ("None" as a kind of masonry), so there they stay.
 */
export const MARKERS_IN_TYPED = [
  'NA',
  'N/A',
  'na',
  'n/a',
  'None',
  'none',
  'NONE',
  'Null',
  'nil',
  '-',
  '--',
  '.',
  'missing',
  'unknown',
] as const;

export interface MissingMarkers {
  readonly always: ReadonlySet<string>;
  readonly inTyped: ReadonlySet<string>;
}

/** Blank always counts. A caller's own list replaces both defaults and holds in every column. */
export function missingMarkers(own: readonly string[] | undefined): MissingMarkers {
  return own ? { always: new Set(own), inTyped: new Set() } : { always: new Set(MARKERS_ALWAYS), inTyped: new Set(MARKERS_IN_TYPED) };
}

/** A value that kept a column from being numeric, for the message. */
export interface Stray {
  readonly text: string;
  readonly line: number;
}

const STRAY_LIMIT = 3;
/** After this many texts that fit nothing, a column is text and its values are no longer looked at closely. */
const SETTLED_OTHERS = 10_000;
const MARKER_BYTES_MAX = 24;
/** A sign of currency before a number; one, or a percent sign, behind it. */
const MARK_BEFORE = /^([+-]?)([$€£¥]) ?([+-]?[\d.,]+)$/;
const MARK_BEHIND = /^([+-]?[\d.,]+) ?([%€£¥])$/;
const MARKED_BYTES_MAX = 32;
const MONTH_INITIALS: ReadonlySet<number> = new Set(Buffer.from('jfmasond'));
const TIME_BYTES_MIN = 6;
const TIME_BYTES_MAX = 40;

/**
 * What the values of one column look like, gathered in a single pass over their bytes: how many are whole numbers,
 * numbers, booleans, times by form, markers or anything else. Types are decided from the counts at the end.
 */
export class ColumnObserver {
  readonly #markers: MissingMarkers;
  readonly #firstBytes: Uint8Array;
  /** Rows seen, and of them the blanks. */
  values = 0;
  blanks = 0;
  readonly markers = new Map<string, number>();
  ambiguous = 0;
  integers = 0;
  decimals = 0;
  decimalCommas = 0;
  /** Of `decimals` and `decimalCommas` those that could be thousands as well: 1.234 and 1,234. */
  decimalsLikeGroups = 0;
  decimalCommasLikeGroups = 0;
  /** Numbers whose thousands are surely grouped (1,234,567 or 1,234.5; 1.234,5), and of them those with a fraction. */
  commaGroups = 0;
  commaGroupFractions = 0;
  dotGroups = 0;
  dotGroupFractions = 0;
  /** What stands before or behind numbers ("$", "%"), and what those look like without it. */
  mark = '';
  unmarked: ColumnObserver | undefined;
  booleans = 0;
  /** Whole numbers written with leading zeros (postal codes, article numbers) or too large for int64. */
  codes = 0;
  readonly times = new Map<TimeForm, number>();
  others = 0;
  readonly strays: Stray[] = [];
  /** Quoted values with blanks around them, which a conversion has to strip. */
  padded = 0;
  /** Values that the source itself says are text (JSON strings). */
  texts = 0;

  constructor(markers: MissingMarkers) {
    this.#markers = markers;
    this.#firstBytes = firstBytes(markers);
  }

  /** @param line where the value begins, for messages. @param isText the source says the value is text, so it is never a number. */
  observe(buffer: Buffer, from: number, to: number, line: number, isText = false): void {
    this.values += 1;
    let start = from;
    let end = to;
    while (start < end && isSpace(buffer[start] as number)) start += 1;
    while (end > start && isSpace(buffer[end - 1] as number)) end -= 1;
    if (start === end) {
      this.blanks += 1;
      return;
    }
    if (start !== from || end !== to) this.padded += 1;
    if (end - start <= MARKER_BYTES_MAX && this.#firstBytes[buffer[start] as number] === 1 && this.#isMarker(buffer, start, end)) return;
    if (isText) this.texts += 1;
    this.#classify(buffer, start, end, line);
  }

  get real(): number {
    return this.values - this.blanks - this.#markerCount;
  }

  #markerCount = 0;

  #isMarker(buffer: Buffer, start: number, end: number): boolean {
    const text = buffer.toString('utf8', start, end);
    const ambiguous = this.#markers.inTyped.has(text);
    if (!ambiguous && !this.#markers.always.has(text)) return false;
    this.markers.set(text, (this.markers.get(text) ?? 0) + 1);
    this.#markerCount += 1;
    if (ambiguous) this.ambiguous += 1;
    return true;
  }

  #classify(buffer: Buffer, start: number, end: number, line: number): void {
    if (this.others >= SETTLED_OTHERS) {
      this.others += 1;
      return;
    }
    switch (numberShape(buffer, start, end)) {
      case NumberShape.integer:
        this.integers += 1;
        return;
      case NumberShape.decimal:
        // Once one cannot be thousands the column's reading is settled, and the others need no look.
        if (this.decimals === this.decimalsLikeGroups && groupShape(buffer, start, end)) this.decimalsLikeGroups += 1;
        this.decimals += 1;
        return;
      case NumberShape.decimalComma:
        if (this.decimalCommas === this.decimalCommasLikeGroups && groupShape(buffer, start, end)) this.decimalCommasLikeGroups += 1;
        this.decimalCommas += 1;
        return;
      case NumberShape.code:
        this.codes += 1;
        return;
    }
    if (isBoolean(buffer, start, end)) {
      this.booleans += 1;
      return;
    }
    if (this.#isGrouped(buffer, start, end)) return;
    if (this.#isMarked(buffer, start, end, line)) return;
    if (!this.#isTime(buffer, start, end)) this.#stray(buffer, start, end, line);
  }

  #isGrouped(buffer: Buffer, start: number, end: number): boolean {
    const shape = groupShape(buffer, start, end);
    if (shape === undefined) return false;
    if (shape.by === 'comma') {
      this.commaGroups += 1;
      if (shape.fraction) this.commaGroupFractions += 1;
    } else {
      this.dotGroups += 1;
      if (shape.fraction) this.dotGroupFractions += 1;
    }
    return true;
  }

  /** Only as long as every value that is no plain number is one with the same mark. */
  #isMarked(buffer: Buffer, start: number, end: number, line: number): boolean {
    if (this.others > 0 || end - start > MARKED_BYTES_MAX) return false;
    const text = buffer.toString('utf8', start, end);
    const before = MARK_BEFORE.exec(text);
    const [mark, number] = before ? [before[2], `${before[1]}${before[3]}`] : (MARK_BEHIND.exec(text)?.slice(1).toReversed() ?? []);
    if (mark === undefined || number === undefined || (this.mark !== '' && this.mark !== mark)) return false;
    this.mark = mark;
    this.unmarked ??= new ColumnObserver({ always: new Set(), inTyped: new Set() });
    const bytes = Buffer.from(number);
    this.unmarked.observe(bytes, 0, bytes.length, line);
    return true;
  }

  #isTime(buffer: Buffer, start: number, end: number): boolean {
    const first = buffer[start] as number;
    const size = end - start;
    const mayBegin = (first >= 48 && first <= 57) || MONTH_INITIALS.has(first | 32);
    if (!mayBegin || size < TIME_BYTES_MIN || size > TIME_BYTES_MAX) return false;
    const forms = timeForms(buffer.toString('latin1', start, end));
    for (const form of forms) this.times.set(form, (this.times.get(form) ?? 0) + 1);
    return forms.length > 0;
  }

  #stray(buffer: Buffer, start: number, end: number, line: number): void {
    this.others += 1;
    if (this.strays.length < STRAY_LIMIT) this.strays.push({ text: buffer.toString('utf8', start, Math.min(end, start + 40)), line });
  }
}

function firstBytes(markers: MissingMarkers): Uint8Array {
  const table = new Uint8Array(256);
  for (const text of [...markers.always, ...markers.inTyped]) {
    const byte = Buffer.from(text)[0];
    if (byte !== undefined) table[byte] = 1;
  }
  return table;
}

function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}

export const NumberShape = { none: 0, integer: 1, decimal: 2, decimalComma: 3, code: 4 } as const;
export type NumberShape = (typeof NumberShape)[keyof typeof NumberShape];

const INT64_MAX = 9_223_372_036_854_775_807n;
const INT64_DIGITS_SAFE = 18;
/** Longer numbers and exponents are checked for overflow by parsing them. */
const PLAIN_NUMBER_BYTES = 40;

/** What kind of number a text is: optional sign, digits, one point or comma, optional exponent; nothing else. */
export function numberShape(buffer: Uint8Array, start: number, end: number): NumberShape {
  let at = start;
  const sign = buffer[at];
  if (sign === 45 || sign === 43) at += 1;
  const digitsStart = at;
  let digits = 0;
  while (at < end && isDigit(buffer[at] as number)) {
    at += 1;
    digits += 1;
  }
  if (at === end) return digits === 0 ? NumberShape.none : wholeShape(buffer, digitsStart, end, digits);
  let comma = false;
  const separator = buffer[at];
  if (separator === 46 || separator === 44) {
    comma = separator === 44;
    at += 1;
    while (at < end && isDigit(buffer[at] as number)) {
      at += 1;
      digits += 1;
    }
  }
  if (digits === 0) return NumberShape.none;
  const exponent = at < end && ((buffer[at] as number) | 32) === 101;
  if (exponent) {
    at += 1;
    if (buffer[at] === 45 || buffer[at] === 43) at += 1;
    const exponentStart = at;
    while (at < end && isDigit(buffer[at] as number)) at += 1;
    if (at === exponentStart) return NumberShape.none;
  }
  if (at !== end) return NumberShape.none;
  if ((exponent || end - start > PLAIN_NUMBER_BYTES) && !isFiniteText(buffer, start, end)) return NumberShape.none;
  return comma ? NumberShape.decimalComma : NumberShape.decimal;
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

function wholeShape(buffer: Uint8Array, digitsStart: number, end: number, digits: number): NumberShape {
  if (digits > 1 && buffer[digitsStart] === 48) return NumberShape.code;
  if (digits <= INT64_DIGITS_SAFE) return NumberShape.integer;
  if (digits > INT64_DIGITS_SAFE + 1) return NumberShape.code;
  const number = BigInt(Buffer.from(buffer.subarray(digitsStart, end)).toString('latin1'));
  return number <= INT64_MAX ? NumberShape.integer : NumberShape.code;
}

function isFiniteText(buffer: Uint8Array, start: number, end: number): boolean {
  return Number.isFinite(Number(Buffer.from(buffer.subarray(start, end)).toString('latin1').replace(',', '.')));
}

/** Whether a text is a number as ingestion reads them (decimal point). */
export function isNumberText(text: string): boolean {
  const bytes = Buffer.from(text.trim());
  const shape = numberShape(bytes, 0, bytes.length);
  return shape === NumberShape.integer || shape === NumberShape.decimal || shape === NumberShape.code;
}

function isBoolean(buffer: Buffer, start: number, end: number): boolean {
  const size = end - start;
  const first = (buffer[start] as number) | 32;
  if (size === 1) return first === 116 || first === 102;
  if (size === 4 && first === 116) return buffer.toString('latin1', start, end).toLowerCase() === 'true';
  return size === 5 && first === 102 && buffer.toString('latin1', start, end).toLowerCase() === 'false';
}
