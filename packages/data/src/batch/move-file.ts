import { copyFile, rename, rm } from 'node:fs/promises';

/** Moves a finished file, also to another file system. */
export async function moveFile(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EXDEV') throw thrown;
    await copyFile(from, to);
    await rm(from, { force: true });
  }
}
