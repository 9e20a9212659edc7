import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import type { Client } from '@slipway/client';
import type { UploadedFile } from '@slipway/project/contract';
import { readableSize } from './local-file.ts';

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
