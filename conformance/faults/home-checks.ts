import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';

async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Every object of a home must hold the bytes that its name is the hash of. @returns what is wrong. */
export async function objectProblems(home: string): Promise<string[]> {
  const root = join(home, 'objects');
  const objects = (await filesUnder(root)).filter((path) => {
    const name = relative(root, path);
    return !name.startsWith(`.temporary${sep}`) && name !== '.store';
  });
  if (objects.length === 0) return ['the home holds no object at all'];
  const problems: string[] = [];
  for (const path of objects) {
    const found = await sha256Of(path);
    // The address is the hash, cut into folders by its first characters.
    if (!relative(root, path).split(sep).slice(1).join('').endsWith(found)) problems.push(`${relative(home, path)} holds other bytes`);
  }
  return problems;
}

/** Files of a home that an idle server has: anything else was left behind by a process that is gone. */
const BELONGS: readonly RegExp[] = [
  /^(?:lock|format\.json|holder\.json|replica)$/,
  /^records\//,
  /^objects\/[^./][^/]*\/[0-9a-f/]+$/,
  /^telemetry\/(?:[^/]+\/)*(?:invocation|outcome)\.\d{4}\.seg_[0-9a-f-]{36}\.ndjson$/,
  // The name of the store, by which replicas on one PostgreSQL tell whether they share it.
  /^objects\/\.store$/,
];

/** Files that nobody will ever read or remove. @returns their paths inside the home. */
export async function strayFiles(home: string): Promise<string[]> {
  const paths = (await filesUnder(home)).map((path) => relative(home, path).split(sep).join('/'));
  return paths.filter((path) => !BELONGS.some((pattern) => pattern.test(path)));
}
