import { isUtf8 } from 'node:buffer';
import { parseJson } from '@slipway/kernel';
import { z } from 'zod';
import type { CompiledRoute } from './compile-routes.ts';
import { BodyFormatError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { PATH_PARAMETER_LENGTH_LIMIT, QUERY_LENGTH_LIMIT, QUERY_PARAMETERS_LIMIT } from './limits.ts';
import { invalidRequest, parsePart } from './request-problems.ts';

/** A character that no parameter may hold: controls, the separators that proxies and stores disagree about, and U+FFFD, which stands for broken encoding. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNFIT = /[\u0000-\u001f\u007f/\\\ufffd]|\p{Cs}/u;

/** @throws {RequestInvalidError} */
export function parseParams(compiled: CompiledRoute, raw: Readonly<Record<string, string>>): unknown {
  for (const name in raw) {
    const value = raw[name] as string;
    if (value.length > PATH_PARAMETER_LENGTH_LIMIT || UNFIT.test(value)) {
      const expected = `at most ${PATH_PARAMETER_LENGTH_LIMIT} characters without separators or control characters`;
      throw invalidRequest([{ path: `path.${name}`, expected, got: `${value.length} characters` }]);
    }
  }
  const schema = compiled.route.params;
  return schema === undefined ? raw : parsePart('path', schema, raw);
}

/** @throws {RequestInvalidError} */
export function parseQuery(compiled: CompiledRoute, search: string): unknown {
  const schema = compiled.route.query;
  if (schema === undefined) return EMPTY;
  return parsePart('query', schema, search === '' ? {} : readQuery(search));
}

const EMPTY = Object.freeze({});

/** Text by name; a name given several times becomes a list. Built from a Map, so that no name can reach a prototype. */
function readQuery(search: string): Record<string, string | string[]> {
  if (search.length > QUERY_LENGTH_LIMIT) {
    throw invalidRequest([{ path: 'query', expected: `at most ${QUERY_LENGTH_LIMIT} characters`, got: `${search.length} characters` }]);
  }
  const found = new Map<string, string | string[]>();
  let count = 0;
  for (const [name, value] of new URLSearchParams(search)) {
    count += 1;
    if (count > QUERY_PARAMETERS_LIMIT) {
      throw invalidRequest([{ path: 'query', expected: `at most ${QUERY_PARAMETERS_LIMIT} parameters`, got: 'more' }]);
    }
    if (name === '__proto__' || (name + value).includes('\0') || (name + value).includes('\ufffd')) {
      throw invalidRequest([{ path: 'query', expected: 'well-formed names and values', got: 'a broken or forbidden one' }]);
    }
    const before = found.get(name);
    found.set(name, before === undefined ? value : [before, value].flat());
  }
  return Object.fromEntries(found);
}

export interface Input {
  /** Parsed JSON, the stream, or the bytes. */
  readonly body: unknown;
  /** The JSON that was parsed. */
  readonly text: string | undefined;
  readonly bytes: Uint8Array;
}

/** @throws {BodyFormatError} @throws {RequestInvalidError} @throws {BodyTooLargeError} */
export async function readInput(compiled: CompiledRoute, exchange: Exchange): Promise<Input> {
  const encoding = exchange.header('content-encoding');
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new BodyFormatError('Compressed bodies are not accepted.', {
      details: { header: 'Content-Encoding' },
      help: 'Send the body as it is, without Content-Encoding.',
    });
  }
  if (compiled.bodyKind === 'stream') {
    return { body: exchange.streamBody(compiled.bodyLimitBytes), text: undefined, bytes: NO_BYTES };
  }
  const bytes = await exchange.readBody(compiled.bodyLimitBytes);
  if (compiled.bodyKind === 'bytes') return { body: bytes, text: undefined, bytes };
  if (compiled.bodyKind === 'none') {
    if (bytes.length > 0) parsePart('body', NoBody, parseText(textOf(bytes)));
    return { body: undefined, text: undefined, bytes };
  }
  return parseBody(compiled, exchange, bytes);
}

const NO_BYTES = new Uint8Array(0);
/** Clients that always send a JSON body send this one where none is wanted. */
const NoBody = z.union([z.strictObject({}), z.null()]);

function parseBody(compiled: CompiledRoute, exchange: Exchange, bytes: Uint8Array): Input {
  const schema = compiled.route.body;
  if (bytes.length === 0) {
    // A body that the schema lets be left out may be left out entirely.
    const body = schema === undefined ? undefined : parsePart('body', schema, acceptsNothing(schema) ? undefined : {});
    return { body, text: undefined, bytes };
  }
  const type = exchange.header('content-type');
  if (type !== JSON_UTF8 && (type === undefined || !isJsonType(type))) {
    throw new BodyFormatError(
      `The body must be JSON in UTF-8, but Content-Type says ${type === undefined ? 'nothing' : `"${type.slice(0, 100)}"`}.`,
      {
        details: { header: 'Content-Type', expected: 'application/json' },
        help: 'Send the header "Content-Type: application/json".',
      },
    );
  }
  const text = textOf(bytes);
  const value = parseText(text);
  return { body: schema === undefined ? value : parsePart('body', schema, value), text, bytes };
}

function acceptsNothing(schema: z.ZodType): boolean {
  return schema.safeParse(undefined).success;
}

const JSON_UTF8 = 'application/json';

function isJsonType(type: string): boolean {
  return /^application\/(?:[a-z0-9.+-]+\+)?json\s*(?:;\s*charset\s*=\s*"?utf-?8"?\s*)?$/i.test(type);
}

function textOf(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new BodyFormatError('The body is not valid UTF-8.', { help: 'Encode the JSON as UTF-8.' });
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function parseText(text: string): unknown {
  const value = parseJson(text);
  // Raw control characters are no JSON, and raw UTF-8 holds no surrogates: only an escape can bring these in.
  if (text.includes('\\u')) refuseUnfitText(value, 'body');
  return value;
}

/** NUL and lone surrogates cannot be stored faithfully; a value that holds one is refused instead of changed. */
function refuseUnfitText(value: unknown, path: string): void {
  if (typeof value === 'string') {
    if (value.isWellFormed() && !value.includes('\0')) return;
    throw invalidRequest([{ path, expected: 'text without NUL or half surrogate pairs', got: 'such a character' }]);
  }
  if (Array.isArray(value)) value.forEach((item, index) => refuseUnfitText(item, `${path}[${index}]`));
  else if (value !== null && typeof value === 'object') {
    for (const [name, item] of Object.entries(value)) {
      refuseUnfitText(name, path);
      refuseUnfitText(item, `${path}.${name.slice(0, 64).toWellFormed()}`);
    }
  }
}
