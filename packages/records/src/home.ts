import { randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { HomeFormatError, HomeLockedError } from './errors.ts';

/** The layout of `.slipway`; raised when a newer program writes what an older one cannot read. */
export const HOME_FORMAT = 1;

/**
 * Who owns a home, so that a second process knows whom to talk to. `url` is null for a process without a server.
 * `token` lets the commands of the same user of this machine act on the running server: the file is readable by its owner
 * only, and the token dies with the process.
 */
export const HomeHolder = z.object({ pid: z.int(), url: z.string().nullable(), token: z.string().nullable(), startedAt: z.string() });
export type HomeHolder = z.infer<typeof HomeHolder>;

const HomeFormat = z.object({ format: z.literal('slipway.home'), version: z.int().positive() });

export interface Home {
  readonly directory: string;
  /** Path of one of the home's own folders or files. */
  path(...parts: string[]): string;
  /** Publishes where this process answers; readers see either the old or the new text, never half of one. */
  announce(url: string | null, token?: string): Promise<void>;
  release(): Promise<void>;
}

/**
 * Takes a home for this process alone: two owners of one embedded database lose acknowledged writes. The lock is the
 * operating system's lock on a file, held through SQLite, so it dies with its holder, works on Linux, macOS and
 * Windows, and leaves nothing stale after kill -9.
 * @throws {HomeLockedError} when another process holds it. @throws {HomeFormatError} when its format is not ours.
 */
export async function openHome(directory: string): Promise<Home> {
  const root = resolve(directory);
  await mkdir(root, { recursive: true, mode: 0o700 });
  const lock = await acquirePatiently(join(root, 'lock'));
  if (!lock) throw await lockedError(root);
  try {
    await sweepPartials(root);
    await checkFormat(root);
  } catch (error) {
    lock.close();
    throw error;
  }
  const holderPath = join(root, 'holder.json');
  const startedAt = new Date().toISOString();
  const announce = (url: string | null, token: string | null = null) =>
    writeWhole(holderPath, JSON.stringify({ pid: process.pid, url, token, startedAt }));
  await announce(null);
  return {
    directory: root,
    path: (...parts) => join(root, ...parts),
    announce,
    async release() {
      await rm(holderPath, { force: true });
      lock.close();
    },
  };
}

/** The process that holds a home right now, or undefined when nobody does. */
export async function findHolder(directory: string): Promise<HomeHolder | undefined> {
  const root = resolve(directory);
  const text = await readFile(join(root, 'holder.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const lock = acquireLock(join(root, 'lock'));
  if (lock) {
    lock.close();
    return undefined;
  }
  return parseHolder(text);
}

const SQLITE_BUSY = 5;
const ACQUIRE_TRIES = 10;
const ACQUIRE_PAUSE_MS = 30;

/** `findHolder` takes the lock for a moment to see whether anybody has it; a short wait keeps that from being mistaken for an owner. */
async function acquirePatiently(path: string): Promise<DatabaseSync | undefined> {
  for (let attempt = 0; attempt < ACQUIRE_TRIES; attempt += 1) {
    const lock = acquireLock(path);
    if (lock) return lock;
    await new Promise((resolve) => setTimeout(resolve, ACQUIRE_PAUSE_MS));
  }
  return undefined;
}

function acquireLock(path: string): DatabaseSync | undefined {
  const database = new DatabaseSync(path);
  try {
    database.exec('pragma locking_mode = exclusive; pragma journal_mode = memory; begin exclusive');
    return database;
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
}

async function lockedError(root: string): Promise<HomeLockedError> {
  const text = await readFile(join(root, 'holder.json'), 'utf8').catch(() => '');
  const holder = parseHolder(text);
  const who = holder ? `process ${holder.pid}${holder.url ? ` at ${holder.url}` : ''}` : 'another process';
  return new HomeLockedError(`${root} is in use by ${who}.`, {
    details: { home: root, pid: holder?.pid ?? null, url: holder?.url ?? null },
    help: holder?.url
      ? `Talk to it at ${holder.url}, or stop it first.`
      : 'Wait until it has finished, or choose another folder with --home.',
  });
}

function parseHolder(text: string): HomeHolder | undefined {
  try {
    return HomeHolder.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function checkFormat(root: string): Promise<void> {
  const path = join(root, 'format.json');
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return writeWhole(path, JSON.stringify({ format: 'slipway.home', version: HOME_FORMAT }));
  const found = HomeFormat.safeParse(tryJson(text));
  if (!found.success) throw new HomeFormatError(`${path} is not a Slipway format file.`, { help: 'Choose another folder with --home.' });
  if (found.data.version > HOME_FORMAT) {
    throw new HomeFormatError(`${root} was written by a newer Slipway (format ${found.data.version}, this one reads ${HOME_FORMAT}).`, {
      help: 'Install the newer version: npm install slipway@latest',
    });
  }
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const PARTIAL = /^(?:holder|format)\.json\.[0-9a-f]{12}$/;

/** A process killed between the two steps of `writeWhole` left a file that nobody will read. */
async function sweepPartials(root: string): Promise<void> {
  for (const name of await readdir(root)) if (PARTIAL.test(name)) await rm(join(root, name), { force: true });
}

async function writeWhole(path: string, text: string): Promise<void> {
  const partial = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(partial, text, { mode: 0o600 });
  await rename(partial, path);
}
