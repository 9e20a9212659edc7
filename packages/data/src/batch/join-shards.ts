import { type Engine, quoteText } from '../engine.ts';
import { StreamEndedError } from '../errors.ts';
import { moveFile } from './move-file.ts';

/** How a finished table is written. */
export type OutputFormat = 'parquet' | 'csv' | 'ndjson';

/**
 * Writes the shards' Parquet files, in their order, as one file in the wanted format. @returns how many rows it holds.
 * @throws {StreamEndedError} when they are not all of the shards'.
 */
export async function joinShards(
  engine: Engine,
  request: {
    readonly files: readonly string[];
    readonly format: OutputFormat;
    readonly target: string;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<number> {
  return engine.use(async (session) => {
    const linked: string[] = [];
    for (const file of request.files) linked.push(await session.link(file, '.parquet'));
    const path = session.path('.joined');
    const from = `read_parquet([${linked.map(quoteText).join(', ')}], union_by_name = true)`;
    const wanted = Number((await session.rows(`select count(*)::double as n from ${from}`))[0]?.['n']);
    const [copied] = await session.rows(`copy (select * from ${from}) to ${quoteText(path)} (${FORMATS[request.format]})`);
    const rows = Number(copied?.['Count']);
    if (rows !== wanted) throw new StreamEndedError(rows, wanted);
    await moveFile(path, request.target);
    return rows;
  }, request.signal);
}

const FORMATS: Readonly<Record<OutputFormat, string>> = {
  parquet: 'format parquet, compression zstd',
  csv: 'format csv, header true',
  ndjson: 'format json, array false',
};
