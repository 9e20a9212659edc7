import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import type { Client } from '@slipway/client';
import type { LaunchDefinition, LaunchResult, UploadedFile } from '@slipway/project/contract';
import { readableSize } from './local-file.ts';
import { findOrigin } from './origin.ts';
import { INTERRUPTED_EXIT_CODE, type Output } from './output.ts';
import { createProgress } from './progress.ts';

/** Streams a local file to the server, which keeps it under its hash. */
export async function uploadFile(client: Client, path: string, onProgress: (ratio: number) => void): Promise<UploadedFile> {
  const sizeBytes = await readableSize(path);
  const fileName = basename(path);
  let sent = 0;
  const counted = Readable.from(
    (async function* () {
      for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
        sent += chunk.length;
        onProgress(sizeBytes === 0 ? 1 : sent / sizeBytes);
        yield new Uint8Array(chunk);
      }
    })(),
    { objectMode: true },
  );
  const { sha256 } = await client.uploads.put(Readable.toWeb(counted) as ReadableStream<Uint8Array>, fileName);
  return { sha256, fileName };
}

export interface LaunchFiles {
  readonly definition: LaunchDefinition;
  readonly dataPath: string;
  readonly testPath?: string | undefined;
  readonly force: boolean;
  readonly mode: 'always' | 'when-changed';
}

/** Uploads, starts the launch and follows its run to the end. The run goes on when this process is interrupted. */
export async function launchFiles(client: Client, files: LaunchFiles, output: Output): Promise<LaunchResult> {
  const progress = createProgress(output);
  try {
    const upload = (path: string) =>
      uploadFile(client, path, (ratio) => progress.update({ phase: 'upload', message: basename(path), ratio }));
    const data = await upload(files.dataPath);
    const test = files.testPath === undefined ? undefined : await upload(files.testPath);
    const { definition, force, mode } = files;
    const origin = await findOrigin(files.dataPath);
    const { run } = await client.launches.start({ definition, data, ...(test ? { test } : {}), origin, force, mode });
    const leave = () => {
      progress.end();
      output.note(`interrupted; the run is kept and goes on with the server: slipway runs ${run}`);
      process.exit(INTERRUPTED_EXIT_CODE);
    };
    process.once('SIGINT', leave);
    try {
      return await client.launches.follow(run, (event) => progress.update(event));
    } finally {
      process.off('SIGINT', leave);
    }
  } finally {
    progress.end();
  }
}
