export { InvalidAddressError, ObjectCorruptError, ObjectNotFoundError, ObjectTooLargeError, StoreFullError } from './errors.ts';
export { LIST_LIMIT_MAX, OBJECT_LIMIT_BYTES, READ_LIMIT_BYTES, type ObjectPage, type ObjectRef, type Objects } from './objects.ts';
export { openFolderObjects, type FolderObjectsOptions } from './folder-objects.ts';
export { TEMPORARY_AGE_MS } from './temporary-folder.ts';
