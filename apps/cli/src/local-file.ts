import { access, constants, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { InvalidError, NotFoundError } from '@slipway/kernel';

/** Nothing lies at the path. */
class FileMissingError extends NotFoundError {
  override readonly code = 'cli/file-missing';
}

/** A folder, or a file that this user may not read. */
class FileUnreadableError extends InvalidError {
  override readonly code = 'cli/file-unreadable';
}

/** Size of a file that can be read. @throws {FileMissingError | FileUnreadableError} */
export async function readableSize(path: string): Promise<number> {
  const info = await stat(path).catch(() => undefined);
  if (!info) {
    const help = isAbsolute(path) ? 'Check the path.' : `Check the path; it is read from ${process.cwd()}.`;
    throw new FileMissingError(`There is no file "${path}".`, { details: { path }, help });
  }
  if (info.isDirectory()) throw new FileUnreadableError(`"${path}" is a folder.`, { details: { path }, help: 'Give one file.' });
  try {
    await access(path, constants.R_OK);
  } catch (cause) {
    const help = `Let this user read it: chmod u+r ${path}`;
    throw new FileUnreadableError(`"${path}" cannot be read: its permissions do not allow it.`, { cause, details: { path }, help });
  }
  return info.size;
}
