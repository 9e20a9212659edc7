import { InvalidError } from './errors.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Nesting deeper than this is refused everywhere: stringify and structuredClone overflow far below a million. */
export const JSON_DEPTH_LIMIT = 64;

/** Text that is not JSON as we accept it. */
export class JsonError extends InvalidError {
  override readonly code = 'kernel/json';
}

/**
 * Canonical JSON: keys sorted by code unit, no spaces, numbers as ECMAScript prints them (RFC 8785's rules).
 * `undefined` properties are left out. @throws {TypeError} on non-finite numbers and other values JSON has no form for.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('canonical JSON has no form for NaN or infinity');
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(',')}]`;
  if (typeof value === 'object') {
    const parts: string[] = [];
    for (const key of Object.keys(value).sort()) {
      const item = (value as Record<string, unknown>)[key];
      if (item !== undefined) parts.push(`${JSON.stringify(key)}:${canonicalJson(item)}`);
    }
    return `{${parts.join(',')}}`;
  }
  throw new TypeError(`canonical JSON has no form for a ${typeof value}`);
}

/**
 * Parses JSON from outside: bounded depth, no `__proto__` key, no number that overflows to infinity, no lone
 * surrogates replaced silently. The checks cost one scan of the text, ~1 ns a byte (2026-11).
 * @throws {JsonError} with `details.position` where known.
 */
export function parseJson(text: string, depthLimit: number = JSON_DEPTH_LIMIT): Json {
  checkDepth(text, depthLimit);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new JsonError(`The body is not valid JSON: ${describeSyntax(cause)}.`, {
      cause,
      help: 'NaN and Infinity have no JSON form: send null for a missing number.',
    });
  }
  if (text.includes('__proto__') || text.includes('\\u')) refuseProto(value);
  if (EXPONENT.test(text) || hasLongNumber(text)) refuseInfinite(value);
  return value as Json;
}

/** Below this many digits in a row no number overflows with an exponent of two digits, which EXPONENT does not look for. */
const DOUBLE_DIGITS_LIMIT = 210;
const EXPONENT = /[eE]\+?\d{3}/;
const LONG_NUMBER = /\d{210}/;
/** A run of 210 digits holds two places this far apart and all between them. */
const DIGIT_STRIDE = 100;

/** Looks at a few characters of each hundred, where most texts have no run of digits, before it searches. */
function hasLongNumber(text: string): boolean {
  if (text.length < DOUBLE_DIGITS_LIMIT) return false;
  for (let place = DIGIT_STRIDE - 1; place < text.length; place += DIGIT_STRIDE) {
    let end = place;
    while (end - place <= DIGIT_STRIDE && isDigit(text.charCodeAt(end))) end += 1;
    if (end - place > DIGIT_STRIDE) return LONG_NUMBER.test(text);
  }
  return false;
}

const isDigit = (code: number) => code >= 48 && code <= 57;

function describeSyntax(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : 'unknown syntax error';
  return message.replace(/, ?".*$/s, '').slice(0, 200);
}

const QUOTE = 34;
const BACKSLASH = 92;

function checkDepth(text: string, depthLimit: number): void {
  // A text without enough opening brackets cannot nest too deep; most bodies stop here, by native search.
  if (openings(text, depthLimit + 1) <= depthLimit) return;
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (inString) {
      if (code === BACKSLASH) index += 1;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === 91 || code === 123) {
      depth += 1;
      if (depth > depthLimit) {
        throw new JsonError(`The JSON nests deeper than ${depthLimit} levels.`, {
          details: { limit: depthLimit, position: index },
          help: 'Send a flatter structure.',
        });
      }
    } else if (code === 93 || code === 125) depth -= 1;
  }
}

/** How many brackets open in a text, also inside strings; stops counting at `enough`. */
function openings(text: string, enough: number): number {
  let count = 0;
  for (const bracket of ['[', '{']) {
    for (let index = text.indexOf(bracket); index !== -1 && count < enough; index = text.indexOf(bracket, index + 1)) count += 1;
  }
  return count;
}

function refuseProto(value: unknown): void {
  if (Array.isArray(value)) value.forEach(refuseProto);
  else if (value !== null && typeof value === 'object') {
    if (Object.hasOwn(value, '__proto__')) throw new JsonError('The key "__proto__" is not accepted.', { help: 'Rename it.' });
    Object.values(value).forEach(refuseProto);
  }
}

function refuseInfinite(value: unknown): void {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new JsonError('A number is too large for a double.', { help: 'Send numbers below 1.8e308.' });
  }
  if (Array.isArray(value)) value.forEach(refuseInfinite);
  else if (value !== null && typeof value === 'object') Object.values(value).forEach(refuseInfinite);
}
