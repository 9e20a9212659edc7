import { Name } from '@slipway/kernel';
import { join } from 'node:path';
import { InvalidAddressError } from './errors.ts';

const SHA256 = /^[0-9a-f]{64}$/;

/** True of a lower-case hex SHA-256. */
export function isSha256(text: string): boolean {
  return SHA256.test(text);
}

/** True of what may be a project's folder: a project's name or id, so it holds no separator and begins with a letter or digit. */
export function isProject(text: string): boolean {
  return Name.safeParse(text).success;
}

/** The text, if it is a project's. @throws {InvalidAddressError} */
export function checkProject(project: string): string {
  if (typeof project === 'string' && isProject(project)) return project;
  throw new InvalidAddressError('The project is not spelled as one.', {
    details: { field: 'project' },
    help: 'Give the id or name of a project: 1 to 64 of a-z, 0-9, dot, underscore, dash.',
  });
}

/** The text, if it is a SHA-256. @throws {InvalidAddressError} */
export function checkSha256(sha256: string): string {
  if (typeof sha256 === 'string' && isSha256(sha256)) return sha256;
  throw new InvalidAddressError('The object hash is not a SHA-256.', {
    details: { field: 'sha256' },
    help: 'Give 64 lower-case hexadecimal digits.',
  });
}

/** Where an object lies: `<root>/<project>/<first two digits>/<sha256>`. The parts are checked here and nowhere else. */
export function objectPath(root: string, project: string, sha256: string): { folder: string; path: string } {
  const folder = join(root, checkProject(project), checkSha256(sha256).slice(0, 2));
  return { folder, path: join(folder, sha256) };
}
