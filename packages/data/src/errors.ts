import { type ErrorDetails, InvalidError, NotFoundError, PlatformError, TooLargeError } from '@slipway/kernel';

/** The source holds no bytes, or only blanks. */
export class EmptySourceError extends InvalidError {
  override readonly code = 'data/empty';
  constructor() {
    super('The file is empty.', { help: 'Give a file with column names and at least one row.' });
  }
}

/** Column names at most, but nothing under them. */
export class NoRowsError extends InvalidError {
  override readonly code = 'data/no-rows';
  constructor(details: ErrorDetails = {}) {
    super('The file has no rows.', { details, help: 'Add at least one row of values under the column names.' });
  }
}

/** Rows whose number of values is not the number of columns; the first line numbers are named. */
export class RaggedRowsError extends InvalidError {
  override readonly code = 'data/ragged-rows';
  constructor(details: { readonly columns: number; readonly count: number; readonly lines: readonly { line: number; values: number }[] }) {
    const listed = details.lines.map(({ line, values }) => `line ${line} (${values})`).join(', ');
    const more = details.count > details.lines.length ? ` and ${details.count - details.lines.length} more` : '';
    super(`${details.count} ${details.count === 1 ? 'row does' : 'rows do'} not have ${details.columns} values: ${listed}${more}.`, {
      details,
      help: 'Mend those lines; a value that holds the delimiter or a line break must be quoted.',
    });
  }
}

export class TooManyColumnsError extends InvalidError {
  override readonly code = 'data/too-many-columns';
  constructor(columns: number, limit: number) {
    super(`The file has ${columns > limit ? `more than ${limit}` : columns} columns; the limit is ${limit}.`, {
      details: { limit },
      help: 'Leave out columns before ingestion, or turn wide measurements into rows.',
    });
  }
}

export class TooManyRowsError extends InvalidError {
  override readonly code = 'data/too-many-rows';
  constructor(limit: number) {
    super(`The file has more than ${limit} rows.`, { details: { limit }, help: 'Ingest a sample or a part of the file.' });
  }
}

/** One value, or one row, past its limit. */
export class FieldTooLargeError extends InvalidError {
  override readonly code = 'data/field-too-large';
  constructor(details: { readonly line: number; readonly column: string; readonly limitBytes: number }) {
    super(`The value at line ${details.line}, ${details.column}, is larger than ${details.limitBytes} bytes.`, {
      details,
      help: 'Shorten it, or close a quote that was left open before this line.',
    });
  }
}

export class NulByteError extends InvalidError {
  override readonly code = 'data/nul-byte';
  constructor(line: number) {
    super(`Line ${line} holds a NUL byte.`, { details: { line }, help: 'Export the file again as plain text, or remove the NUL bytes.' });
  }
}

/** Not one of the formats we read; says what it seems to be where that is known. */
export class UnknownFormatError extends InvalidError {
  override readonly code = 'data/unknown-format';
  constructor(seems: string | undefined, help?: string) {
    super(seems ? `The file is ${seems}, not a table we can read.` : 'The file is neither text nor Parquet.', {
      details: seems ? { seems } : {},
      help: help ?? 'Use CSV, TSV, JSON, NDJSON (each may be gzipped) or Parquet.',
    });
  }
}

export class DuplicateColumnError extends InvalidError {
  override readonly code = 'data/duplicate-column';
  constructor(duplicates: readonly string[]) {
    super(`Column names repeat: ${duplicates.map((name) => `"${name}"`).join(', ')} (upper and lower case count as the same).`, {
      details: { columns: duplicates },
      help: 'Rename them, or give each column a name with --columns and --header yes, which replaces the first line.',
    });
  }
}

export class ColumnNameError extends InvalidError {
  override readonly code = 'data/column-name';
}

/** The first line looks like values, so nobody has named the columns. */
export class NoHeaderError extends InvalidError {
  override readonly code = 'data/no-header';
  constructor(first: readonly string[]) {
    super(`The first line looks like data, not like column names: ${shownValues(first)}.`, {
      details: { columns: first.length },
      help: `Name the ${first.length} columns (--columns a,b,c), or say --header yes if these are names.`,
    });
  }
}

/** Names were given for a file that has a header of its own, and nobody said whether it counts as a row. */
export class TwoHeadersError extends InvalidError {
  override readonly code = 'data/two-headers';
  constructor(first: readonly string[]) {
    super(`Column names were given, and the first line looks like names as well: ${shownValues(first)}.`, {
      help: 'Leave out --columns to use those of the file, or say --header yes to replace them, --header no if that line is a row.',
    });
  }
}

/** The first line has not as many values as the rows below it: a title, or names that leave out the row names. */
export class HeaderWidthError extends InvalidError {
  override readonly code = 'data/header-width';
  constructor(first: readonly string[], columns: number, line: number) {
    super(
      `Line ${line} should name the ${columns} columns, but has ${first.length} ${first.length === 1 ? 'value' : 'values'}: ${shownValues(first)}.`,
      {
        details: { line, found: first.length, columns },
        help:
          first.length === columns - 1
            ? 'Give every column a name; R leaves out that of the row names (write.csv with row.names = FALSE leaves out both).'
            : 'Remove what stands above the column names, so that the file begins with them.',
      },
    );
  }
}

const VALUES_SHOWN = 4;

function shownValues(values: readonly string[]): string {
  const shown = values.slice(0, VALUES_SHOWN).map((value) => (value.length > 40 ? `${value.slice(0, 40)}…` : value));
  return `${shown.join(', ')}${values.length > VALUES_SHOWN ? ', …' : ''}`;
}

export class ColumnCountError extends InvalidError {
  override readonly code = 'data/column-count';
  constructor(named: number, found: number) {
    super(`${named} column names were given, but the rows have ${found} values.`, {
      details: { named, found },
      help: 'Give exactly one name a column, in the order of the file.',
    });
  }
}

export class InvalidEncodingError extends InvalidError {
  override readonly code = 'data/invalid-encoding';
}

/** A compressed file that ends early or is damaged. */
export class BrokenGzipError extends InvalidError {
  override readonly code = 'data/broken-gzip';
  constructor(truncated: boolean, cause: unknown) {
    super(truncated ? 'The gzip file is cut off: it ends before its data does.' : 'The gzip file is damaged.', {
      cause,
      help: 'Copy or download the file again; `gzip -t FILE` checks it.',
    });
  }
}

export class SourceTooLargeError extends TooLargeError {
  override readonly code = 'data/source-too-large';
  constructor(limitBytes: number, decompressed: boolean) {
    super(`The file is larger than ${limitBytes} bytes${decompressed ? ' after decompression' : ''}.`, {
      details: { limitBytes, decompressed },
      help: 'Split the file, or ingest it as Parquet.',
    });
  }
}

/** The work needed more memory, or more disk to spill to, than the engine has. */
export class EngineMemoryError extends TooLargeError {
  override readonly code = 'data/memory';
  constructor(memoryMib: number, cause: unknown) {
    super(`The table does not fit into the ${memoryMib} MiB that table work may use.`, {
      cause,
      details: { memoryMib },
      help: 'Use fewer columns or shorter texts, or give the engine more memory.',
    });
  }
}

/** Reading a table ended before its end, or after it: what was read must not be used. */
export class StreamEndedError extends PlatformError {
  override readonly code = 'data/stream-ended';
  override readonly kind = 'internal';
  override readonly remedy = 'retry';
  constructor(rows: number, expectedRows: number) {
    super(`Reading the table ended after ${rows} of ${expectedRows} rows.`, {
      details: { rows, expectedRows },
      help: 'Try again; when it stays so, the file may be damaged or need more memory than the engine has.',
    });
  }
}

/** A table that would not fit in memory as a frame. */
export class FrameTooLargeError extends TooLargeError {
  override readonly code = 'data/frame-too-large';
  constructor(cells: number, limit: number) {
    super(`The table has ${cells} cells; at most ${limit} are loaded at once.`, {
      details: { cells, limit },
      help: 'Load fewer columns, or ingest fewer rows.',
    });
  }
}

/** Quotes that do not match. */
export class QuoteError extends InvalidError {
  override readonly code = 'data/quote';
}

/** A row of a JSON source that is not an object of values. */
export class JsonRowError extends InvalidError {
  override readonly code = 'data/json-row';
}

export class ParquetError extends InvalidError {
  override readonly code = 'data/parquet';
}

/** A column was named that the data do not have. */
export class UnknownColumnError extends InvalidError {
  override readonly code = 'data/unknown-column';
}

/** A role that the column's values do not allow. */
export class RoleError extends InvalidError {
  override readonly code = 'data/role';
}

/** Data that break their contract; `details` names columns, rows and counts. */
export class DataContractError extends InvalidError {
  override readonly code = 'data/contract';
}

export class SplitError extends InvalidError {
  override readonly code = 'data/split';
}

/** No dataset, version or subject of that name here. */
export class DatasetNotFoundError extends NotFoundError {
  override readonly code = 'data/not-found';
}

/** A table for batch work lacks columns that every row needs. */
export class BatchColumnsError extends InvalidError {
  override readonly code = 'data/batch-columns';
}
