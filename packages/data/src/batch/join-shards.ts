import { type Engine, quoteText } from '../engine.ts';
import { moveFile } from './move-file.ts';

/** How a finished table is written. */
export type OutputFormat = 'parquet' | 'csv' | 'ndjson';

/** Writes the shards' Parquet files, in their order, as one file in the wanted format. */
export async function joinShards(
  engine: Engine,
  request: {
    readonly files: readonly string[];
    readonly format: OutputFormat;
    readonly target: string;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<void> {
  await engine.use(async (session) => {
    const linked: string[] = [];
    for (const file of request.files) linked.push(await session.link(file, '.parquet'));
    const path = session.path('.joined');
    const from = `read_parquet([${linked.map(quoteText).join(', ')}], union_by_name = true)`;
    await session.run(`copy (select * from ${from}) to ${quoteText(path)} (${FORMATS[request.format]})`);
    await moveFile(path, request.target);
  }, request.signal);
}

const FORMATS: Readonly<Record<OutputFormat, string>> = {
  parquet: 'format parquet, compression zstd',
  csv: 'format csv, header true',
  ndjson: 'format json, array false',
};
