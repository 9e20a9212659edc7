import type { Catalog } from '@slipway/catalog';
import {
  type Contract,
  type RowValidator,
  type Servable,
  type ServableKind,
  type ServableLoader,
  type VersionRef,
  compileContract,
} from '@slipway/kernel';
import type { Records } from '@slipway/records';
import type { Arm, Revision } from './contract.ts';
import { ReleaseNotFoundError, RevisionNotFoundError, ServableUnavailableError } from './errors.ts';
import { findReleaseRow, findRevisionRow } from './release-store.ts';

/** A routing entry older than this is read again even without a change notice, so a lost notice heals. */
export const ROUTE_TTL_MS = 1_000;
/** News of one project within this time cause one reading. */
const REFRESH_DELAY_MS = 20;
/** Servables kept loaded; beyond it the one used longest ago is disposed. */
export const LOADED_SERVABLES_LIMIT = 64;

/** What the hot path needs to answer for a revision, ready in memory. */
export interface LoadedRevision {
  readonly revision: Revision;
  readonly servable: Servable;
  readonly validator: RowValidator;
  readonly parts: ReadonlyMap<string, VersionRef>;
}

export interface LiveRoute {
  readonly id: string;
  readonly name: string;
  readonly arms: readonly Arm[];
  readonly loaded: ReadonlyMap<number, LoadedRevision>;
}

export interface Routing {
  /** The route from memory, or undefined when it must be resolved first. Touches no database. */
  peek(project: string, name: string): LiveRoute | undefined;
  resolve(project: string, name: string): Promise<LiveRoute>;
  /** One revision by number, loaded; for calls that name it and for replay. */
  load(project: string, name: string, number: number): Promise<LoadedRevision>;
  /** Forgets a project's routes: the next call reads them again. For the process that has just changed one. */
  invalidate(project: string): void;
  /** Reads a project's routes again soon, while the old ones go on answering. For news from elsewhere. */
  refresh(project: string): void;
  close(): Promise<void>;
}

interface Entry {
  route: LiveRoute;
  readAtMs: number;
  refreshing: boolean;
}

/**
 * Routes in memory, refreshed by change notices and, at most a second later, by reading again. A stale entry keeps
 * answering while it is refreshed, so that no call waits for the database once a release is warm.
 */
export function createRouting(deps: {
  readonly records: Records;
  readonly catalog: Catalog;
  readonly loaders: ReadonlyMap<ServableKind, ServableLoader>;
  readonly monotonicMs: () => number;
  /** Told what a version takes before it answers its first call, so that its calls are watched as its data was read. */
  readonly describe: (project: string, version: string, contract: Contract) => Promise<void>;
}): Routing {
  const entries = new Map<string, Entry>();
  const servables = new ServableCache(deps);

  async function read(project: string, name: string): Promise<LiveRoute> {
    const release = await findReleaseRow(deps.records.db, project, name);
    if (!release || release.traffic.length === 0) throw new ReleaseNotFoundError(name);
    const loaded = new Map<number, LoadedRevision>();
    for (const arm of release.traffic) loaded.set(arm.revision, await loadRevision(project, name, arm.revision));
    const route = { id: release.id, name, arms: release.traffic, loaded };
    entries.set(`${project}/${name}`, { route, readAtMs: deps.monotonicMs(), refreshing: false });
    return route;
  }

  async function loadRevision(project: string, name: string, number: number): Promise<LoadedRevision> {
    const revision = await findRevisionRow(deps.records.db, project, name, number);
    if (!revision) throw new RevisionNotFoundError(name, number);
    return servables.load(project, revision);
  }

  const reread = (key: string, entry: Entry, project: string, name: string) => {
    if (entry.refreshing) return;
    entry.refreshing = true;
    read(project, name).catch((error: unknown) => {
      // A release that is gone must stop answering; a database that is out of reach must not stop the ones that are warm.
      if (error instanceof ReleaseNotFoundError) entries.delete(key);
      else Object.assign(entry, { refreshing: false, readAtMs: deps.monotonicMs() });
    });
  };
  const waiting = new Set<string>();

  return {
    peek(project, name) {
      const entry = entries.get(`${project}/${name}`);
      if (!entry) return undefined;
      if (deps.monotonicMs() - entry.readAtMs > ROUTE_TTL_MS) reread(`${project}/${name}`, entry, project, name);
      return entry.route;
    },
    async resolve(project, name) {
      return this.peek(project, name) ?? read(project, name);
    },
    load: loadRevision,
    invalidate(project) {
      for (const key of entries.keys()) if (key.startsWith(`${project}/`)) entries.delete(key);
    },
    refresh(project) {
      if (waiting.has(project)) return;
      waiting.add(project);
      setTimeout(() => {
        waiting.delete(project);
        for (const [key, entry] of entries) if (key.startsWith(`${project}/`)) reread(key, entry, project, entry.route.name);
      }, REFRESH_DELAY_MS).unref();
    },
    close: () => servables.close(),
  };
}

/** Loaded revisions by id, least recently used first out. Loading the same one twice at once happens once. */
class ServableCache {
  readonly #deps: Pick<Parameters<typeof createRouting>[0], 'catalog' | 'loaders' | 'describe'>;
  readonly #loaded = new Map<string, Promise<LoadedRevision>>();

  constructor(deps: Pick<Parameters<typeof createRouting>[0], 'catalog' | 'loaders' | 'describe'>) {
    this.#deps = deps;
  }

  load(project: string, revision: Revision): Promise<LoadedRevision> {
    const found = this.#loaded.get(revision.id);
    if (found) {
      this.#loaded.delete(revision.id);
      this.#loaded.set(revision.id, found);
      return found;
    }
    const loading = this.#load(project, revision);
    this.#loaded.set(revision.id, loading);
    loading.catch(() => this.#loaded.delete(revision.id));
    this.#evict();
    return loading;
  }

  async close(): Promise<void> {
    for (const loading of this.#loaded.values()) await this.#dispose(loading);
    this.#loaded.clear();
  }

  #evict(): void {
    for (const [id, loading] of this.#loaded) {
      if (this.#loaded.size <= LOADED_SERVABLES_LIMIT) return;
      this.#loaded.delete(id);
      void this.#dispose(loading);
    }
  }

  async #dispose(loading: Promise<LoadedRevision>): Promise<void> {
    const loaded = await loading.catch(() => undefined);
    await loaded?.servable.dispose?.();
  }

  async #load(project: string, revision: Revision): Promise<LoadedRevision> {
    const loader = this.#deps.loaders.get(revision.kind as ServableKind);
    if (!loader) throw new ServableUnavailableError(`This server cannot load a version of kind "${revision.kind}".`);
    const servable = await loader.load(project, await this.#reference(project, revision.version));
    await this.#deps.describe(project, revision.version, servable.input);
    const parts = new Map<string, VersionRef>();
    for (const [part, version] of Object.entries(revision.parts)) parts.set(part, await this.#reference(project, version));
    return { revision, servable, validator: compileContract(servable.input), parts };
  }

  async #reference(project: string, id: string): Promise<VersionRef> {
    const { kind, name, recipe, content } = await this.#deps.catalog.get(project, id);
    return { id, kind: kind as ServableKind, name, recipe, content };
  }
}
