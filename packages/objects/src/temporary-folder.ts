import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';

/** Temporary files of another living process older than this are swept when the store is opened: 24 h. */
export const TEMPORARY_AGE_MS = 24 * 60 * 60 * 1000;

/** Begins with a dot, so no project can have its name. */
const FOLDER = '.temporary';
const OWNER = /^(\d{1,10})-(\d{1,15})-[0-9a-f]{12}$/;

/**
 * One process' private folder (0700) for files that are not objects yet, on the objects' own file system so that a
 * finished one becomes an object by a rename. Its name tells whose it is, so that a later start can sweep it.
 */
export class TemporaryFolder {
  readonly directory: string;
  readonly #root: string;

  constructor(objectsDirectory: string) {
    this.#root = join(objectsDirectory, FOLDER);
    this.directory = join(this.#root, `${process.pid}-${Date.now()}-${randomBytes(6).toString('hex')}`);
  }

  /** Sweeps what dead processes left (of a shared store, what nobody has touched for {@link TEMPORARY_AGE_MS}) and makes the own folder. */
  async open({ isShared = false }: { readonly isShared?: boolean } = {}): Promise<void> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#root)) await sweep(join(this.#root, name), name, isShared);
    await mkdir(this.directory, { mode: 0o700 });
  }

  /** A path where nothing is yet. */
  nextPath(): string {
    return join(this.directory, randomBytes(16).toString('hex'));
  }

  contains(path: string): boolean {
    return path.startsWith(this.directory + sep);
  }
}

async function sweep(path: string, name: string, isShared: boolean): Promise<void> {
  const owner = OWNER.exec(name);
  if (!owner || (!isShared && isDead(Number(owner[1]), Number(owner[2])))) {
    await rm(path, { recursive: true, force: true });
    return;
  }
  const oldestMs = Date.now() - TEMPORARY_AGE_MS;
  for (const entry of await readdir(path).catch(() => [])) {
    const file = join(path, entry);
    const info = await stat(file).catch(() => undefined);
    if (info && info.mtimeMs < oldestMs) await rm(file, { recursive: true, force: true });
  }
}

/**
 * A folder made before this process began cannot be its own, though the number is: in a container every process is
 * often number 1.
 */
function isDead(pid: number, madeMs: number): boolean {
  if (pid === process.pid) return madeMs < Date.now() - process.uptime() * 1000 - 1000;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
