import { type Engine, type Session, quoteText } from '../engine.ts';
import { NoRowsError, ParquetError, TooManyRowsError } from '../errors.ts';
import type { SourceOptions } from '../ingest.ts';
import { INGEST_LIMITS } from '../limits.ts';
import { missingMarkers } from '../observe-column.ts';
import { openSource } from '../open-source.ts';
import { readCsv } from '../read-csv.ts';
import { readJson } from '../read-json.ts';
import { writeCanonical } from '../write-canonical.ts';
import type { Note } from '../contract.ts';
import type { SourceColumn } from './plan-batch.ts';
import { moveFile } from './move-file.ts';

/** A table that batch work reads: always Parquet. */
export interface BatchSource {
  readonly rows: number;
  readonly columns: readonly SourceColumn[];
  /** True when the given file was no Parquet and was written anew, to `target`. */
  readonly converted: boolean;
  readonly notes: readonly Note[];
}

/**
 * Opens a table for batch work. Parquet is read where it lies; CSV, JSON and NDJSON are read as ingestion reads them (encodings, quotes,
 * missing values, types from all values) and written to `target` as Parquet. @throws the errors of ingestion.
 */
export async function convertSource(
  engine: Engine,
  request: {
    readonly source: SourceOptions;
    readonly target: string;
    readonly signal?: AbortSignal | undefined;
    readonly onRatio?: (ratio: number) => void;
  },
): Promise<BatchSource> {
  const { source, target, signal, onRatio } = request;
  return engine.use(async (session) => {
    const opened = await openSource(session, {
      path: source.path,
      format: source.format,
      encoding: source.encoding,
      limits: INGEST_LIMITS,
      signal,
    });
    if (opened.format === 'parquet' && !opened.compressed)
      return { ...(await describeFile(session, opened.path)), converted: false, notes: [] };
    if (opened.format === 'parquet') {
      await moveFile(opened.path, target);
      return { ...(await describeFile(session, target)), converted: true, notes: [] };
    }
    const common = {
      columns: source.columns,
      markers: missingMarkers(source.missing),
      limits: INGEST_LIMITS,
      signal,
      onBytes: (bytes: number, total: number) => onRatio?.(Math.min(1, bytes / total)),
    };
    const read =
      opened.format === 'csv'
        ? await readCsv(session, opened, { ...common, delimiter: source.delimiter, header: source.header })
        : await readJson(session, opened, common);
    const options = { contract: undefined, asText: new Set<string>(), dayFirst: source.dayFirst, problems: [] };
    const table = await writeCanonical(session, read.table, options);
    const described = await describeFile(session, table.path);
    await moveFile(table.path, target);
    return { ...described, converted: true, notes: [...read.notes, ...table.notes] };
  }, signal);
}

async function describeFile(session: Session, path: string): Promise<Pick<BatchSource, 'rows' | 'columns'>> {
  const file = path.startsWith(session.folder) ? path : await session.link(path, '.parquet');
  const from = `read_parquet(${quoteText(file)})`;
  const described = await session.rows(`describe select * from ${from}`).catch((cause: unknown) => {
    throw new ParquetError('The Parquet file cannot be read: it is damaged, cut off, encrypted, or uses a feature we do not know.', {
      cause,
    });
  });
  const [counted] = await session.rows(`select count(*)::double as n from ${from}`);
  const rows = Number(counted?.['n'] ?? 0);
  if (rows === 0) throw new NoRowsError({ columns: described.length });
  if (rows > INGEST_LIMITS.rows) throw new TooManyRowsError(INGEST_LIMITS.rows);
  return { rows, columns: described.map((row) => ({ name: String(row['column_name']), sqlType: String(row['column_type']) })) };
}

/** Rows and columns of a Parquet file that batch work has opened before. */
export function describeSource(engine: Engine, path: string): Promise<Pick<BatchSource, 'rows' | 'columns'>> {
  return engine.use((session) => describeFile(session, path));
}
