import type { Json, Page, ServableKind } from '@slipway/kernel';
import type { Db, Tx } from '@slipway/records';

/** What the catalog keeps versions of. */
export type CatalogKind = 'dataset' | ServableKind | 'report' | 'contract' | 'predictions';

/** One immutable version of something that has a name. Times are milliseconds UTC. */
export interface Version {
  readonly id: string;
  readonly project: string;
  readonly kind: CatalogKind;
  readonly name: string;
  /** 1, 2, 3 … per kind and name, without gaps. */
  readonly number: number;
  /** What it was made from: SHA-256 (lower-case hex) of the resolved definition, inputs, code version and seed. */
  readonly recipe: string;
  /** SHA-256 (lower-case hex) of what it is. */
  readonly content: string;
  readonly run: string | null;
  /** The kind's own description, such as object hashes and task; null once retired. */
  readonly meta: Json;
  readonly createdAtMs: number;
  readonly principal: string;
  /** When its content was erased; null while it lives. */
  readonly retiredAtMs: number | null;
  readonly retiredReason: string | null;
}

export interface ParentLink {
  /** A version of the same project. */
  readonly id: string;
  /** What the parent was to the child: `data`, `model`, `prompt`. */
  readonly role: string;
}

export interface NewVersion {
  readonly project: string;
  readonly kind: CatalogKind;
  readonly name: string;
  readonly recipe: string;
  readonly content: string;
  readonly run: string | null;
  readonly principal: string;
  readonly meta: Json;
  /** At most {@link PARENT_LIMIT}. */
  readonly parents: readonly ParentLink[];
}

export interface LineageEdge {
  readonly parent: string;
  readonly child: string;
  readonly role: string;
}

export interface Lineage {
  /** The version asked about first, then by distance. */
  readonly nodes: readonly Version[];
  /** Both ends of every edge are among the nodes. */
  readonly edges: readonly LineageEdge[];
  /** True when the depth or node limit cut something off. */
  readonly truncated: boolean;
}

export interface AliasTarget {
  readonly kind: CatalogKind;
  readonly name: string;
  /** A word other than `latest`, not a number. */
  readonly alias: string;
}

/** The versions of everything, what they were made from, and the names people give them. */
export interface Catalog {
  /**
   * Adds a version, or finds the living one of the same project, kind, name and recipe (`created: false`; its parents and
   * content stay as they are, so compare `content` where determinism matters). A new one gets the next number, and the
   * event `catalog.version.registered` in the same transaction. Appends to the audit log, so call it late in the
   * transaction; several calls in one transaction are fine.
   * @throws {InvalidVersionError} {@link ParentNotFoundError}
   */
  register(tx: Tx, entry: NewVersion): Promise<{ version: Version; created: boolean }>;
  /** The living version made from exactly this. */
  findByRecipe(project: string, kind: CatalogKind, name: string, recipe: string): Promise<Version | undefined>;
  /** @throws {VersionNotFoundError} also for another project's version. */
  get(project: string, id: string): Promise<Version>;
  /**
   * The version a reference names: its id, `name` or `name@latest` (the highest living number), `name@alias`,
   * `name:number`. @throws {VersionNotFoundError} {@link InvalidReferenceError}
   */
  resolve(project: string, kind: CatalogKind, reference: string): Promise<Version>;
  /** Newest first. */
  list(
    project: string,
    query: { readonly kind?: CatalogKind; readonly name?: string; readonly cursor?: string; readonly limit: number },
  ): Promise<Page<Version>>;
  /** The aliases of each of the versions that has any. */
  aliases(project: string, ids: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Points an alias at a living version of that kind and name; moving it is the same call. Audited. */
  setAlias(tx: Tx, project: string, change: AliasTarget & { readonly version: string; readonly principal: string }): Promise<void>;
  /** Removes an alias; with `version` only if it points there. @returns false when there was nothing to remove. Audited. */
  removeAlias(tx: Tx, project: string, change: AliasTarget & { readonly version?: string; readonly principal: string }): Promise<boolean>;
  /** Everything a version was made from (`up`) or that was made from it (`down`). @param options.depthLimit default and most {@link LINEAGE_DEPTH_MAX}. */
  lineage(project: string, id: string, direction: 'up' | 'down', options?: { readonly depthLimit?: number }): Promise<Lineage>;
  /** Whether a living version's meta names a text, such as the hash of an object. */
  mentions(db: Db | Tx, project: string, text: string): Promise<boolean>;
  /**
   * Turns a version into a tombstone: its meta is erased and its aliases go; row, hashes and lineage stay. Its bytes
   * belong to whoever stored them: delete what the returned version, as it was before, refers to. Audited; retiring twice is harmless.
   */
  retire(tx: Tx, project: string, id: string, reason: string, principal: string): Promise<Version>;
}

/** Most parents of one version. */
export const PARENT_LIMIT = 256;
/** Most steps that lineage goes. */
export const LINEAGE_DEPTH_MAX = 64;
/** Most versions that lineage returns. */
export const LINEAGE_NODE_LIMIT = 1_000;
/** Most edges that lineage returns. */
export const LINEAGE_EDGE_LIMIT = 5_000;
/** Most bytes of a version's meta as JSON: 1 MiB. */
export const META_LIMIT_BYTES = 1024 * 1024;
