import type { Objects } from './objects.ts';

/** Temporary files of a living process older than this are swept when the store is opened. */
export const TEMPORARY_AGE_MS = 24 * 60 * 60 * 1000;

export interface FolderObjectsOptions {
  /** `process` (default) survives a killed process, `host` also power loss: files and folders are fsynced. */
  readonly durability?: 'process' | 'host';
}

/** Opens the objects in a local folder, making it if need be. */
export async function openFolderObjects(directory: string, options: FolderObjectsOptions = {}): Promise<Objects> {
  throw new Error(`being written: ${directory} ${options.durability ?? ''}`);
}
