import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Frame } from '@slipway/kernel';
import { cell } from '@slipway/kernel';
import { type Objects, openFolderObjects } from '@slipway/objects';
import { type Engine, createEngine } from '../engine.ts';
import { type IngestRequest, type IngestResult, type SourceOptions, ingest } from '../ingest.ts';
import { loadFrameFrom } from '../load-frame.ts';

/** A home in a temporary folder with real objects and a real DuckDB. */
export interface TestHome {
  readonly directory: string;
  readonly engine: Engine;
  readonly objects: Objects;
  /** Writes a file and returns its path. */
  file(content: string | Uint8Array): Promise<string>;
  ingest(content: string | Uint8Array, options?: Omit<SourceOptions, 'path'>, request?: Partial<IngestRequest>): Promise<IngestResult>;
  frame(result: IngestResult): Promise<Frame>;
  /** Files that are left in the work folder and the store. */
  leftovers(): Promise<string[]>;
  close(): Promise<void>;
}

export async function createTestHome(): Promise<TestHome> {
  const directory = await mkdtemp(join(tmpdir(), 'slipway-data-'));
  const engine = createEngine({ workDirectory: join(directory, 'work') });
  const objects = await openFolderObjects(join(directory, 'objects'));
  let next = 0;
  const file = async (content: string | Uint8Array) => {
    const path = join(directory, `source-${(next += 1)}`);
    await writeFile(path, content);
    return path;
  };
  return {
    directory,
    engine,
    objects,
    file,
    async ingest(content, options = {}, request = {}) {
      return ingest({ engine, objects }, { project: 'default', ...request, source: { ...options, path: await file(content) } });
    },
    async frame(result) {
      const path = await objects.localPath('default', result.parquet.sha256);
      return engine.use(async (session) =>
        loadFrameFrom(session, await session.link(path, '.parquet'), result.rows, result.contract.fields),
      );
    },
    async leftovers() {
      const found: string[] = [];
      for (const folder of ['work', 'objects']) {
        const entries = await readdir(join(directory, folder), { recursive: true, withFileTypes: true }).catch(() => []);
        found.push(...entries.filter((entry) => entry.isFile()).map((entry) => join(folder, entry.name)));
      }
      return found;
    },
    async close() {
      await engine.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The cells of a frame's column: numbers, texts, null for missing. */
export function cells(frame: Frame, name: string): (string | number | null)[] {
  const column = frame.columns.get(name);
  if (!column) throw new Error(`no column ${name}`);
  return Array.from({ length: frame.rowCount }, (_, row) => cell(column, row));
}
