import { createHash, type Hash } from 'node:crypto';
import type { FieldType } from '@slipway/kernel';
import { hashJson } from '@slipway/kernel/hash';
import { type Session, quoteName, quoteText } from './engine.ts';
import { integersOf, textsOf } from './vectors.ts';

const FORMAT = 'slipway.rows/1';
/** What a missing value is in the stream of each type; int64's smallest number is refused by ingestion, so it is free. */
const MISSING_INTEGER = "'-9223372036854775808'";

/**
 * Hash of a table's values: SHA-256 of the canonical JSON of names, types, row count and one digest a column. A column's
 * digest is SHA-256 over its values in row order: eight little-endian bytes a number (IEEE 754 with one NaN for missing
 * and no -0; int64, and microseconds of times, with the smallest int64 for missing; booleans 0, 1, smallest), or UTF-8
 * and a zero byte a text (missing is the empty text). It depends on values, types and order only, never on how Parquet
 * or DuckDB laid them out. Measured 2026-11: 1 M rows x 10 columns in about 1.5 s on two cores.
 */
export async function hashRows(
  session: Session,
  file: string,
  columns: readonly { readonly name: string; readonly type: FieldType }[],
): Promise<string> {
  const list = columns.map((column) => streamSql(column)).join(', ');
  const source = `read_parquet(${quoteText(file)})`;
  const expectedRows = Number((await session.rows(`select count(*)::double as n from ${source}`))[0]?.['n']);
  const hashes: Hash[] = columns.map(() => createHash('sha256'));
  let rows = 0;
  for await (const chunk of session.stream(`select ${list} from ${source}`, expectedRows)) {
    rows += chunk.rowCount;
    for (const [index, column] of columns.entries()) {
      const vector = chunk.getColumnVector(index);
      const hash = hashes[index] as Hash;
      if (isText(column.type)) hash.update(textsOf(vector, chunk.rowCount, '').join('\u0000')).update('\u0000');
      else hash.update(integersOf(vector));
    }
  }
  const digests = columns.map((column, index) => ({ name: column.name, type: column.type, sha256: (hashes[index] as Hash).digest('hex') }));
  return hashJson({ format: FORMAT, rows, columns: digests });
}

export function isText(type: FieldType): boolean {
  return type === 'string' || type === 'json';
}

function streamSql(column: { readonly name: string; readonly type: FieldType }): string {
  const name = quoteName(column.name);
  switch (column.type) {
    case 'float64':
      return `coalesce(${name}, 'nan'::double) + 0.0`;
    case 'int64':
      return `coalesce(${name}, ${MISSING_INTEGER}::bigint)`;
    case 'boolean':
      return `coalesce(cast(${name} as bigint), ${MISSING_INTEGER}::bigint)`;
    case 'timestamp':
      return `coalesce(epoch_us(${name}), ${MISSING_INTEGER}::bigint)`;
    case 'string':
    case 'json':
      return `coalesce(${name}, '')`;
  }
}
