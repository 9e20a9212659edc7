import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Identity of a folder of objects, whatever it is mounted as: written into it by whoever comes first. It appears whole, under its
 * name at once, because who comes second reads it at once.
 */
export async function identifyStore(directory: string): Promise<string> {
  // Begins with a dot, so that no project can have its name.
  const path = join(directory, '.store');
  // Beside the unfinished objects, which are swept when their process is gone.
  const temporary = join(directory, '.temporary');
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  const mine = join(temporary, randomUUID());
  try {
    await writeFile(mine, randomUUID(), { flag: 'wx', mode: 0o600 });
    await link(mine, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(mine, { force: true });
  }
  return (await readFile(path, 'utf8')).trim();
}
