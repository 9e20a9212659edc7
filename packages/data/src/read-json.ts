import { StringDecoder } from 'node:string_decoder';
import { stat } from 'node:fs/promises';
import { type Json, JsonError, canonicalJson, parseJson } from '@slipway/kernel';
import type { Note } from './contract.ts';
import type { Session } from './engine.ts';
import {
  EmptySourceError,
  FieldTooLargeError,
  JsonRowError,
  NoRowsError,
  NulByteError,
  TooManyColumnsError,
  TooManyRowsError,
} from './errors.ts';
import type { IngestLimits } from './limits.ts';
import { ColumnObserver, type MissingMarkers } from './observe-column.ts';
import { type OpenedSource, readChunks } from './open-source.ts';
import { type RawTable, RawWriter, checkColumnNames } from './raw-table.ts';

export interface JsonOptions {
  readonly columns?: readonly string[] | undefined;
  readonly markers: MissingMarkers;
  readonly limits: IngestLimits;
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: ((bytes: number, total: number) => void) | undefined;
}

type JsonObject = Readonly<Record<string, Json>>;

/**
 * Reads an array of objects, or one object a line. Columns are all keys in order of first appearance; a key that a row
 * lacks is missing. Types are the source's own: text that looks like a number stays text. Objects and lists inside a row
 * become JSON text. Two passes: the first finds the columns, the second writes the rows.
 */
export async function readJson(session: Session, source: OpenedSource, options: JsonOptions): Promise<{ table: RawTable; notes: Note[] }> {
  const names = await findColumns(source, options);
  checkColumnNames(names);
  const writer = await RawWriter.create(session.path('.raw'));
  const observers = names.map(() => new ColumnObserver(options.markers));
  const nested = new Set<string>();
  try {
    await eachObject(source, options, async (object, line) => {
      for (let index = 0; index < names.length; index += 1) {
        const name = names[index] as string;
        const value = Object.hasOwn(object, name) ? (object[name] as Json) : null;
        if (value !== null && typeof value === 'object') nested.add(name);
        writeValue(value, observers[index] as ColumnObserver, writer, { line, name, limit: options.limits.fieldBytes });
      }
      writer.endRow();
      await writer.flush();
    });
    await writer.close();
  } catch (thrown) {
    await writer.abandon();
    throw thrown;
  }
  const columns = names.map((name, index) => ({
    name,
    observer: observers[index] as ColumnObserver,
    nested: nested.has(name),
    escaped: writer.escaped.has(index),
  }));
  const notes = [...nested].map((column) => ({ column, note: 'Holds objects or lists; they are kept as JSON text.' }));
  const table = {
    path: writer.path,
    columns,
    rows: writer.rows,
    rowBytesMax: writer.rowBytesMax,
    bytes: writer.bytes,
    decimalComma: false,
    typed: true,
  };
  return { table, notes };
}

const EMPTY = Buffer.alloc(0);

function writeValue(value: Json, observer: ColumnObserver, writer: RawWriter, place: { line: number; name: string; limit: number }): void {
  if (value === null) {
    observer.observe(EMPTY, 0, 0, place.line);
    writer.value(EMPTY, 0, 0);
    return;
  }
  const text = typeof value === 'string' ? value : canonicalJson(value);
  if (text.includes('\u0000')) throw new NulByteError(place.line);
  const bytes = Buffer.from(text.toWellFormed());
  if (bytes.length > place.limit)
    throw new FieldTooLargeError({ line: place.line, column: `column "${place.name}"`, limitBytes: place.limit });
  const blanks = observer.blanks;
  observer.observe(bytes, 0, bytes.length, place.line, typeof value === 'string');
  writer.value(bytes, 0, observer.blanks > blanks ? 0 : bytes.length);
}

async function findColumns(source: OpenedSource, options: JsonOptions): Promise<string[]> {
  const names = new Set<string>();
  let rows = 0;
  let first: JsonObject | undefined;
  await eachObject(source, options, (object) => {
    first ??= object;
    for (const key of Object.keys(object)) names.add(key);
    if (names.size > options.limits.columns) throw new TooManyColumnsError(names.size, options.limits.columns);
    rows += 1;
    if (rows > options.limits.rows) throw new TooManyRowsError(options.limits.rows);
  });
  if (rows === 0) throw new NoRowsError();
  if (names.size === 0) throw new EmptySourceError();
  if (rows === 1 && first && Object.values(first).every((value) => value !== null && typeof value === 'object')) {
    throw new JsonRowError(
      `The file is one object of lists or objects (${[...names]
        .slice(0, 4)
        .map((name) => `"${name}"`)
        .join(', ')}), not one object a row.`,
      {
        help: 'Give a list of objects, or one object a line; pandas writes that with to_json(orient="records").',
      },
    );
  }
  return [...names];
}

type OnObject = (object: JsonObject, line: number) => void | Promise<void>;

async function eachObject(source: OpenedSource, options: JsonOptions, onObject: OnObject): Promise<void> {
  const { size } = await stat(source.path);
  let read = 0;
  const splitter = new JsonSplitter(source.format === 'json', options.limits.rowBytes);
  const decoder = new StringDecoder('utf8');
  const take = async (text: string) => {
    for (const piece of splitter.write(text)) {
      const done = onObject(parseObject(piece.text, piece.line), piece.line);
      if (done) await done;
    }
  };
  for await (const chunk of readChunks(source.path, source.offset, options.signal)) {
    await take(decoder.write(chunk));
    read += chunk.length;
    options.onBytes?.(read, size);
  }
  await take(decoder.end());
  splitter.end();
}

function parseObject(text: string, line: number): JsonObject {
  let value: Json;
  try {
    value = parseJson(text);
  } catch (cause) {
    const reason = cause instanceof JsonError ? cause.message.replace('The body', 'It') : 'It cannot be read.';
    throw new JsonRowError(`Line ${line} is not a JSON object. ${reason}`, {
      cause,
      details: { line },
      help: 'Give a list of objects, or one object a line; NaN and Infinity have no JSON form: use null.',
    });
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new JsonRowError(`At line ${line} there is no object of column: value.`, {
      details: { line },
      help: 'Each row must be an object such as {"age": 31, "city": "Porto"}.',
    });
  }
  return value as JsonObject;
}

interface Piece {
  readonly text: string;
  readonly line: number;
}

/** Cuts a list of objects, or objects one after the other, into the text of each; strings and nesting are followed, nothing else. */
class JsonSplitter {
  readonly #isList: boolean;
  readonly #limit: number;
  #parts: string[] = [];
  #partsLength = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #line = 1;
  #startLine = 1;
  #state: 'before' | 'inside' | 'after';
  /** In a list: whether a comma has to come before the next object. */
  #afterItem = false;

  constructor(isList: boolean, limitBytes: number) {
    this.#isList = isList;
    this.#limit = limitBytes;
    this.#state = isList ? 'before' : 'inside';
  }

  *write(text: string): Generator<Piece> {
    let start = this.#depth > 0 ? 0 : -1;
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (code === 10) this.#line += 1;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (code === 92) this.#escaped = true;
        else if (code === 34) this.#inString = false;
      } else if (this.#depth === 0) {
        if (this.#between(code)) {
          start = at;
          this.#startLine = this.#line;
          this.#depth = 1;
        }
      } else if (code === 34) this.#inString = true;
      else if (code === 123 || code === 91) this.#depth += 1;
      else if (code === 125 || code === 93) {
        this.#depth -= 1;
        if (this.#depth === 0) {
          this.#parts.push(text.slice(start, at + 1));
          yield { text: this.#parts.join(''), line: this.#startLine };
          this.#parts = [];
          this.#partsLength = 0;
          this.#afterItem = true;
        }
      }
    }
    if (this.#depth > 0) this.#keep(text.slice(start));
  }

  #keep(text: string): void {
    this.#parts.push(text);
    this.#partsLength += text.length;
    if (this.#partsLength > this.#limit) {
      throw new FieldTooLargeError({ line: this.#startLine, column: 'the whole row', limitBytes: this.#limit });
    }
  }

  /** Handles a character between objects. @returns whether an object begins here. */
  #between(code: number): boolean {
    if (code === 32 || code === 9 || code === 10 || code === 13) return false;
    if (this.#state === 'after') this.#refuse('after the end of the list');
    if (this.#state === 'before') {
      if (code !== 91) this.#refuse('before the list');
      this.#state = 'inside';
      return false;
    }
    if (this.#isList && code === 93) {
      this.#state = 'after';
      return false;
    }
    if (this.#isList && code === 44 && this.#afterItem) {
      this.#afterItem = false;
      return false;
    }
    if (code !== 123 || (this.#isList && this.#afterItem)) this.#refuse('where an object should begin');
    return true;
  }

  #refuse(where: string): never {
    throw new JsonRowError(`At line ${this.#line} there is something else ${where}.`, {
      details: { line: this.#line },
      help: 'Give a list of objects, or one object a line.',
    });
  }

  end(): void {
    if (this.#depth > 0) {
      throw new JsonRowError(`The file ends inside the object that begins at line ${this.#startLine}.`, {
        details: { line: this.#startLine },
        help: 'The file seems to be cut off: copy or download it again.',
      });
    }
    if (this.#isList && this.#state !== 'after') {
      throw new JsonRowError('The list of objects is never closed.', { help: 'The file seems to be cut off: copy or download it again.' });
    }
  }
}
