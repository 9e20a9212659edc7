/** Where the bytes lie: their SHA-256 (lower-case hex) is their address inside one project. */
export interface ObjectRef {
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface ObjectPage {
  readonly items: readonly ObjectRef[];
  readonly nextCursor: string | null;
}

/**
 * Immutable bytes under their SHA-256, one folder a project: nothing is shared between projects, because sharing would
 * tell one that another has the same bytes, and would block erasure. Every method refuses a project or hash that is not
 * spelled as one ({@link InvalidAddressError}) before any path is made of it.
 */
export interface Objects {
  /**
   * Stores the bytes; they become visible all at once or not at all. Storing the same bytes again is harmless.
   * @param limitBytes most bytes accepted; default {@link OBJECT_LIMIT_BYTES}.
   * @throws {ObjectTooLargeError} past the limit, {@link StoreFullError} when the disk is full; nothing is left behind.
   */
  put(project: string, source: Uint8Array | AsyncIterable<Uint8Array>, limitBytes?: number): Promise<ObjectRef>;
  /** Stores a finished local file: one made under {@link Objects.temporaryPath} is moved, any other is copied. */
  putFile(project: string, path: string): Promise<ObjectRef>;
  /** Streams the bytes and checks their hash on the way. @throws {ObjectNotFoundError} at once, {@link ObjectCorruptError} at the end. */
  open(project: string, sha256: string): Promise<AsyncIterable<Uint8Array>>;
  /**
   * The whole object, its hash checked. @param limitBytes default {@link READ_LIMIT_BYTES}.
   * @throws {ObjectNotFoundError} {@link ObjectTooLargeError} {@link ObjectCorruptError}
   */
  read(project: string, sha256: string, limitBytes?: number): Promise<Uint8Array>;
  /** A local file with these bytes, to be read only, for engines that want a path. @throws {ObjectNotFoundError} */
  localPath(project: string, sha256: string): Promise<string>;
  has(project: string, sha256: string): Promise<boolean>;
  /** @returns false when there was nothing to delete. */
  delete(project: string, sha256: string): Promise<boolean>;
  /** The project's objects in order of their hash. @param options.limit 1 to {@link LIST_LIMIT_MAX}. */
  list(project: string, options: { readonly cursor?: string; readonly limit: number }): Promise<ObjectPage>;
  /** The projects that ever stored something, sorted. */
  projects(): Promise<string[]>;
  /**
   * A path where nothing is yet, in a private folder on the objects' own file system, for engines that write files
   * themselves. Hand the finished file to {@link Objects.putFile}, or remove it; a forgotten one goes at a later start.
   */
  temporaryPath(project: string): Promise<string>;
}

/** Default most bytes of one object: 64 GiB. */
export const OBJECT_LIMIT_BYTES = 64 * 1024 ** 3;
/** Default most bytes that `read` takes into memory: 256 MiB. */
export const READ_LIMIT_BYTES = 256 * 1024 ** 2;
/** Most objects one page of `list` holds. */
export const LIST_LIMIT_MAX = 1_000;
