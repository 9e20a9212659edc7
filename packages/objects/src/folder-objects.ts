import { chmod, mkdir, lstat, readdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { checkProject, checkSha256, isProject, isSha256, objectPath } from './address.ts';
import { InvalidAddressError, ObjectNotFoundError } from './errors.ts';
import { corrupt, hashFile, readChecked, readPieces, syncFolder, tooLarge, writeHashed } from './object-files.ts';
import { LIST_LIMIT_MAX, OBJECT_LIMIT_BYTES, READ_LIMIT_BYTES, type ObjectPage, type ObjectRef, type Objects } from './objects.ts';
import { TemporaryFolder } from './temporary-folder.ts';

export interface FolderObjectsOptions {
  /** `process` (default) survives a killed process; `host` also power loss: files and folders are fsynced. */
  readonly durability?: 'process' | 'host';
  /** Processes of other machines write here too, whose numbers say nothing here: only what is old is swept. Default false. */
  readonly isShared?: boolean;
}

/**
 * Opens the objects in a local folder (0700), making it if need be, and sweeps the temporary files that dead processes
 * left. Several processes may write: an object appears by one rename, under the hash of its bytes.
 */
export async function openFolderObjects(directory: string, options: FolderObjectsOptions = {}): Promise<Objects> {
  const root = resolve(directory);
  await mkdir(root, { recursive: true, mode: 0o700 });
  const temporary = new TemporaryFolder(root);
  await temporary.open({ isShared: options.isShared ?? false });
  return new FolderObjects(root, temporary, options.durability === 'host');
}

class FolderObjects implements Objects {
  readonly #root: string;
  readonly #temporary: TemporaryFolder;
  readonly #sync: boolean;

  constructor(root: string, temporary: TemporaryFolder, sync: boolean) {
    this.#root = root;
    this.#temporary = temporary;
    this.#sync = sync;
  }

  async put(project: string, source: Uint8Array | AsyncIterable<Uint8Array>, limitBytes: number = OBJECT_LIMIT_BYTES): Promise<ObjectRef> {
    checkProject(project);
    const path = this.#temporary.nextPath();
    try {
      const ref = await writeHashed(path, source, { limitBytes, sync: this.#sync });
      await this.#publish(project, ref.sha256, path);
      return ref;
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  async putFile(project: string, path: string): Promise<ObjectRef> {
    checkProject(project);
    const finished = resolve(path);
    const info = await (this.#temporary.contains(finished) ? lstat(finished) : stat(finished));
    if (!info.isFile()) throw new InvalidAddressError('Only a regular file can become an object.', { details: { field: 'path' } });
    if (!this.#temporary.contains(finished)) return this.put(project, readPieces(finished));
    const ref = await hashFile(finished, { limitBytes: OBJECT_LIMIT_BYTES, sync: this.#sync });
    await this.#publish(project, ref.sha256, finished);
    return ref;
  }

  async open(project: string, sha256: string): Promise<AsyncIterable<Uint8Array>> {
    return readChecked(await this.localPath(project, sha256), sha256);
  }

  async read(project: string, sha256: string, limitBytes: number = READ_LIMIT_BYTES): Promise<Uint8Array> {
    const { path, sizeBytes } = await this.#locate(project, sha256);
    if (sizeBytes > limitBytes) throw tooLarge(limitBytes);
    const bytes = new Uint8Array(sizeBytes);
    let filled = 0;
    for await (const piece of readChecked(path, sha256)) {
      // A file that grew while being read is not what was put.
      if (filled + piece.byteLength > sizeBytes) throw corrupt(sha256);
      bytes.set(piece, filled);
      filled += piece.byteLength;
    }
    return bytes;
  }

  async localPath(project: string, sha256: string): Promise<string> {
    return (await this.#locate(project, sha256)).path;
  }

  async has(project: string, sha256: string): Promise<boolean> {
    return (await statFile(objectPath(this.#root, project, sha256).path)) !== undefined;
  }

  async delete(project: string, sha256: string): Promise<boolean> {
    const { folder, path } = objectPath(this.#root, project, sha256);
    if ((await statFile(path)) === undefined) return false;
    await rm(path, { force: true });
    if (this.#sync) await syncFolder(folder);
    return true;
  }

  async list(project: string, options: { readonly cursor?: string; readonly limit: number }): Promise<ObjectPage> {
    const home = join(this.#root, checkProject(project));
    const limit = checkLimit(options.limit);
    const after = options.cursor === undefined ? '' : checkSha256(options.cursor);
    const items: ObjectRef[] = [];
    for (const prefix of await names(home)) {
      if (!/^[0-9a-f]{2}$/.test(prefix) || prefix < after.slice(0, 2)) continue;
      for (const sha256 of await names(join(home, prefix))) {
        if (!isSha256(sha256) || !sha256.startsWith(prefix) || sha256 <= after) continue;
        const info = await statFile(join(home, prefix, sha256));
        if (info) items.push({ sha256, sizeBytes: info.size });
        if (items.length > limit) return { items: items.slice(0, limit), nextCursor: items[limit - 1]?.sha256 ?? null };
      }
    }
    return { items, nextCursor: null };
  }

  async projects(): Promise<string[]> {
    return (await names(this.#root)).filter(isProject);
  }

  async temporaryPath(project: string): Promise<string> {
    checkProject(project);
    return this.#temporary.nextPath();
  }

  async #locate(project: string, sha256: string): Promise<{ path: string; sizeBytes: number }> {
    const { path } = objectPath(this.#root, project, sha256);
    const info = await statFile(path);
    if (!info) throw new ObjectNotFoundError(`There is no object ${sha256} in this project.`, { details: { sha256 } });
    return { path, sizeBytes: info.size };
  }

  /** The one moment at which an object becomes visible. Replacing equal bytes is harmless and mends a damaged file. */
  async #publish(project: string, sha256: string, finished: string): Promise<void> {
    const { folder, path } = objectPath(this.#root, project, sha256);
    const made = await mkdir(folder, { recursive: true, mode: 0o700 });
    // Read-only, so that an engine which was given the path cannot change an object by mistake.
    await chmod(finished, 0o400);
    await rename(finished, path);
    if (!this.#sync) return;
    await syncFolder(folder);
    if (made !== undefined) for (const upper of [join(this.#root, project), this.#root]) await syncFolder(upper);
  }
}

/** Undefined when there is no regular file at the path; a link is none, so nothing outside the folder is ever followed. */
async function statFile(path: string): Promise<{ size: number } | undefined> {
  try {
    const info = await lstat(path);
    return info.isFile() ? info : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function names(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function checkLimit(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= LIST_LIMIT_MAX) return limit;
  throw new InvalidAddressError(`The limit must be an integer from 1 to ${LIST_LIMIT_MAX}.`, { details: { field: 'limit' } });
}
