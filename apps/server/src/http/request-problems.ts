import { PROBLEM_LIMIT, describe, nearestName } from '@slipway/kernel';
import { z } from 'zod';
import { RequestInvalidError } from './errors.ts';

/** One thing wrong with a request, in the words the caller needs to mend it. */
export interface RequestProblem {
  /** For example `body.rows[0].age`. */
  readonly path: string;
  readonly expected: string;
  readonly got: string;
}

type Where = 'path' | 'query' | 'body';

/** Parses a part of a request by its schema. @throws {RequestInvalidError} with every problem named. */
export function parsePart(where: Where, schema: z.ZodType, input: unknown): unknown {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => toProblems(where, issue, input, schema)).slice(0, PROBLEM_LIMIT);
  throw invalidRequest(problems);
}

export function invalidRequest(problems: readonly RequestProblem[]): RequestInvalidError {
  const [first] = problems;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more problem${problems.length > 2 ? 's' : ''})` : '';
  const message = first ? `${first.path}: expected ${first.expected}, got ${first.got}${more}.` : 'The request is not valid.';
  return new RequestInvalidError(message, { details: { problems } });
}

function toProblems(where: Where, issue: z.core.$ZodIssue, input: unknown, schema: z.ZodType): RequestProblem[] {
  const at = formatPath(where, issue.path);
  const value = valueAt(input, issue.path);
  if (issue.code === 'unrecognized_keys') {
    const known = issue.path.length === 0 && schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
    return issue.keys.map((key) => ({
      path: `${at}.${clip(key)}`,
      expected: expectedKey(key, known),
      got: describe(own(value, key)),
    }));
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const nearest = issue.errors.toSorted((left, right) => depth(right) - depth(left) || left.length - right.length)[0] ?? [];
    const inner = nearest.flatMap((one) => toProblems(where, { ...one, path: [...issue.path, ...one.path] }, input, schema));
    if (inner.length > 0) return inner;
  }
  return [{ path: at, expected: expectation(issue), got: describe(value) }];
}

function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length));
}

function expectedKey(key: string, known: readonly string[]): string {
  if (known.length === 0) return 'no such field';
  const near = nearestName(key, known);
  return near === undefined ? `one of the fields ${known.join(', ')}` : `a known field; did you mean "${near}"?`;
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'an array',
  object: 'an object',
  record: 'an object',
  null: 'null',
};

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return TYPE_WORDS[issue.expected] ?? issue.expected;
    case 'invalid_value':
      return `${issue.values.length > 1 ? 'one of ' : ''}${issue.values
        .slice(0, 20)
        .map((value) => JSON.stringify(value))
        .join(', ')}`;
    case 'too_big':
      return `${issue.inclusive === false ? 'less than' : 'at most'} ${String(issue.maximum)}${unit(issue.origin)}`;
    case 'too_small':
      return `${issue.inclusive === false ? 'more than' : 'at least'} ${String(issue.minimum)}${unit(issue.origin)}`;
    case 'not_multiple_of':
      return `a multiple of ${issue.divisor}`;
    case 'invalid_format':
      return formatWords(issue);
    default:
      // Messages of our own may say it as a sentence: it is told as "expected …" here anyway.
      return issue.message.length > 0 ? lowerFirst(issue.message).replace(/^expected /, '') : 'another value';
  }
}

function formatWords(issue: Extract<z.core.$ZodIssue, { code: 'invalid_format' }>): string {
  if (issue.format === 'regex')
    return issue.message.startsWith('Invalid') ? 'text of the right form' : `text of the right form (${issue.message})`;
  if (issue.format === 'starts_with') return `text that begins with ${JSON.stringify((issue as { prefix?: string }).prefix ?? '')}`;
  return issue.format === 'datetime' ? 'an RFC 3339 time' : `a valid ${issue.format}`;
}

function unit(origin: string): string {
  if (origin === 'string') return ' characters';
  return origin === 'array' || origin === 'set' ? ' entries' : '';
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function formatPath(where: Where, path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}.${clip(String(part))}`), where);
}

function clip(text: string): string {
  return text.length > 64 ? `${text.slice(0, 64)}…` : text;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(own, input);
}

function own(value: unknown, key: PropertyKey): unknown {
  if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<PropertyKey, unknown>)[key];
}
