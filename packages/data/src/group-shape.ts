/**
 * How a text groups the digits of a number by thousands: `comma` (1,234 and 1,234,567.5), `dot` (1.234 and 1.234.567,5),
 * or not at all. `sure` where the text alone tells: 1,234 could also have a decimal comma, and 1.234 is a decimal.
 */
interface GroupShape {
  readonly by: 'comma' | 'dot';
  readonly sure: boolean;
  readonly fraction: boolean;
}

/** Longer texts are none: a double holds 15 digits, and these need 4 signs more and a sign in front. */
const GROUPED_BYTES_MAX = 22;
const SIGNED_GROUPS = /^[+-]?[1-9]\d{0,2}(?:,\d{3})+(\.\d*)?$|^[+-]?[1-9]\d{0,2}(?:\.\d{3})+(,\d+)?$/;

/** The grouping of a number's digits, or undefined for any other text. */
export function groupShape(buffer: Buffer, start: number, end: number): GroupShape | undefined {
  const first = buffer[start] as number;
  const isNumeric = (first >= 49 && first <= 57) || first === 45 || first === 43;
  if (!isNumeric || end - start > GROUPED_BYTES_MAX || end - start < 5) return undefined;
  const text = buffer.toString('latin1', start, end);
  const match = SIGNED_GROUPS.exec(text);
  if (!match) return undefined;
  const [, points, commas] = match;
  const by = points !== undefined || (commas === undefined && text.includes(',')) ? 'comma' : 'dot';
  const fraction = points !== undefined || commas !== undefined;
  const groups = text.split(by === 'comma' ? ',' : '.').length - 1;
  return { by, sure: fraction || groups > 1, fraction };
}
