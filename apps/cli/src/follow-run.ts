import { basename } from 'node:path';
import type { Client } from '@slipway/client';
import type { UploadedFile } from '@slipway/project/contract';
import { uploadFile } from './upload-file.ts';
import { INTERRUPTED_EXIT_CODE, type Output } from './output.ts';
import { createProgress } from './progress.ts';

type Progress = ReturnType<typeof createProgress>;

/** What starts a run, and what follows it to its end. */
export interface RunToFollow<T> {
  /** Sends what the run needs and starts it. @param upload shows its progress. */
  readonly start: (upload: (path: string) => Promise<UploadedFile>) => Promise<{ readonly run: string }>;
  readonly follow: (run: string, onEvent: Progress['update']) => Promise<T>;
}

/** Starts a run and shows its progress to the end. The run goes on when this process is interrupted. */
export async function followRun<T>(client: Client, output: Output, { start, follow }: RunToFollow<T>): Promise<T> {
  const progress = createProgress(output);
  try {
    const { run } = await start((path) =>
      uploadFile(client, path, (ratio) => progress.update({ phase: 'upload', message: basename(path), ratio })),
    );
    const leave = () => {
      progress.end();
      output.note(`interrupted; the run is kept and goes on with the server: slipway runs ${run}`);
      process.exit(INTERRUPTED_EXIT_CODE);
    };
    process.once('SIGINT', leave);
    try {
      return await follow(run, (event) => progress.update(event));
    } finally {
      process.off('SIGINT', leave);
    }
  } finally {
    progress.end();
  }
}
