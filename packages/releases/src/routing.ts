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
import type { Arm, Mirror, Revision } from './contract.ts';
import { ReleaseNotFoundError, RevisionNotFoundError, ServableUnavailableError } from './errors.ts';
import { findReleaseRow, findRevisionRow } from './release-store.ts';

/** A routing entry older than this is read again even without a change notice, so a lost notice heals. */
export const ROUTE_TTL_MS = 1_000;
/** News of one project within this time cause one reading. */
const REFRESH_DELAY_MS = 20;
/** Servables kept loaded; beyond it the one used longest ago is disposed. */
export const LOADED_SERVABLES_LIMIT = 64;

/** A servable that was taken out of memory ends this much later, so that calls which already hold it are answered. */
const DISPOSE_GRACE_MS = 5_000;

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
  /** Revisions that answer a share of the calls a second time, unseen. */
  readonly mirrors: readonly Mirror[];
  readonly loaded: ReadonlyMap<number, LoadedRevision>;
}

export interface Routing {
  /** The route from memory, or undefined when it must be resolved first. Touches no database. */
  peek(project: string, name: string): LiveRoute | undefined;
  resolve(project: string, name: string): Promise<LiveRoute>;
  /** One revision by number, loaded; for calls that name it and for replay. */
  load(project: string, name: string, number: number): Promise<LoadedRevision>;
  /** A version that may have no revision yet, as a revision like `like` would load it; for replay, and before a rollout. */
  loadVersion(project: string, version: string, like: Pick<Revision, 'release' | 'kind' | 'parts' | 'recording'>): Promise<LoadedRevision>;
  /** A route to one revision alone, whatever the release's traffic: for calls that name it. From memory once it is loaded. */
  pinned(project: string, name: string, number: number): Promise<LiveRoute>;
  /** Takes a release out of this process's memory; its next call loads it again. @returns whether anything was loaded. */
  unload(project: string, name: string): boolean;
  /** Forgets a project's routes: the next call reads them again. For the process that has just changed one. */
  invalidate(project: string): void;
  /** Reads a project's routes again soon, while the old ones go on answering. For news from elsewhere. */
  refresh(project: string): void;
  close(): Promise<void>;
}

/** The arm under which calls are recorded that named their revision; they say nothing about a release's traffic. */
export const PINNED_ARM = 'pinned';

/** What a version without a revision is kept under, and its number there; neither is ever recorded. */
const VERSION_KEY = 'version ';
const UNNUMBERED = 0;

interface Entry {
  route: LiveRoute;
  readAtMs: number;
  refreshing: boolean;
}

/** What routing is made of. */
export interface RoutingDeps {
  readonly records: Records;
  readonly catalog: Catalog;
  readonly loaders: ReadonlyMap<ServableKind, ServableLoader>;
  readonly monotonicMs: () => number;
  /** Told what a version takes before it answers its first call, so that its calls are watched as its data was read. */
  readonly describe: (project: string, version: string, contract: Contract) => Promise<void>;
}

/**
 * Routes in memory, refreshed by change notices and, at most a second later, by reading again. A stale entry keeps
 * answering while it is refreshed, so that no call waits for the database once a release is warm.
 */
export function createRouting(deps: RoutingDeps): Routing {
  const table = new RouteTable(deps);
  return {
    peek: (project, name) => table.peek(project, name),
    resolve: async (project, name) => table.peek(project, name) ?? table.read(project, name),
    load: (project, name, number) => table.load(project, name, number),
    loadVersion: (project, version, like) => table.loadVersion(project, version, like),
    pinned: (project, name, number) => table.pinned(project, name, number),
    unload: (project, name) => table.unload(project, name),
    invalidate: (project) => table.invalidate(project),
    refresh: (project) => table.refresh(project),
    close: () => table.close(),
  };
}

class RouteTable {
  readonly #deps: RoutingDeps;
  readonly #servables: ServableCache;
  readonly #entries = new Map<string, Entry>();
  readonly #pins = new Map<string, LiveRoute>();
  /** Projects whose refresh is due. */
  readonly #waiting = new Set<string>();

  constructor(deps: RoutingDeps) {
    this.#deps = deps;
    this.#servables = new ServableCache(deps, (gone) => this.#forget(gone));
  }

  peek(project: string, name: string): LiveRoute | undefined {
    const key = `${project}/${name}`;
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    if (this.#deps.monotonicMs() - entry.readAtMs > ROUTE_TTL_MS) this.#reread(key, entry, project);
    return entry.route;
  }

  async read(project: string, name: string): Promise<LiveRoute> {
    const release = await findReleaseRow(this.#deps.records.db, project, name);
    if (!release || release.traffic.length === 0) throw new ReleaseNotFoundError(name);
    const loaded = new Map<number, LoadedRevision>();
    for (const arm of release.traffic) loaded.set(arm.revision, await this.load(project, name, arm.revision));
    for (const { revision } of release.mirrors) loaded.set(revision, await this.load(project, name, revision));
    const route = { id: release.id, name, arms: release.traffic, mirrors: release.mirrors, loaded };
    this.#entries.set(`${project}/${name}`, { route, readAtMs: this.#deps.monotonicMs(), refreshing: false });
    return route;
  }

  async load(project: string, name: string, number: number): Promise<LoadedRevision> {
    const revision = await findRevisionRow(this.#deps.records.db, project, name, number);
    if (!revision) throw new RevisionNotFoundError(name, number);
    return this.#servables.load(project, revision);
  }

  loadVersion(project: string, version: string, like: Parameters<Routing['loadVersion']>[2]): Promise<LoadedRevision> {
    const { release, kind, parts, recording } = like;
    const id = `${VERSION_KEY}${version} ${JSON.stringify(parts)}`;
    const unnumbered = { number: UNNUMBERED, run: null, principal: '', createdAt: '' };
    return this.#servables.load(project, { ...unnumbered, id, release, version, kind, parts, recording });
  }

  async pinned(project: string, name: string, number: number): Promise<LiveRoute> {
    const key = `${project}/${name}@${number}`;
    const found = this.#pins.get(key);
    if (found) {
      for (const { revision } of found.loaded.values()) this.#servables.touch(revision.id);
      return found;
    }
    const loaded = await this.load(project, name, number);
    const arms = [{ name: PINNED_ARM, revision: number, weight: 1 }];
    const route = { id: loaded.revision.id, name, arms, mirrors: [], loaded: new Map([[number, loaded]]) };
    this.#pins.set(key, route);
    return route;
  }

  unload(project: string, name: string): boolean {
    const key = `${project}/${name}`;
    const route = this.#entries.get(key)?.route;
    const routes = [...this.#pins].filter(([pinned]) => pinned.startsWith(`${key}@`)).map(([, pinnedRoute]) => pinnedRoute);
    if (route) routes.push(route);
    for (const each of routes) for (const { revision } of each.loaded.values()) this.#servables.unload(revision.id);
    return routes.length > 0;
  }

  invalidate(project: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(`${project}/`)) this.#entries.delete(key);
  }

  refresh(project: string): void {
    if (this.#waiting.has(project)) return;
    this.#waiting.add(project);
    setTimeout(() => {
      this.#waiting.delete(project);
      for (const [key, entry] of this.#entries) if (key.startsWith(`${project}/`)) this.#reread(key, entry, project);
    }, REFRESH_DELAY_MS).unref();
  }

  close(): Promise<void> {
    return this.#servables.close();
  }

  #reread(key: string, entry: Entry, project: string): void {
    if (entry.refreshing) return;
    entry.refreshing = true;
    this.read(project, entry.route.name).catch((error: unknown) => {
      // A release that is gone must stop answering; a database that is out of reach must not stop the ones that are warm.
      if (error instanceof ReleaseNotFoundError) this.#entries.delete(key);
      else Object.assign(entry, { refreshing: false, readAtMs: this.#deps.monotonicMs() });
    });
  }

  /** A servable that was taken out of memory may not be found through a route any more. */
  #forget(gone: LoadedRevision): void {
    const uses = (route: LiveRoute) => [...route.loaded.values()].includes(gone);
    for (const [key, { route }] of this.#entries) if (uses(route)) this.#entries.delete(key);
    for (const [key, route] of this.#pins) if (uses(route)) this.#pins.delete(key);
  }
}

/** Loaded revisions by id, least recently used first out. Loading the same one twice at once happens once. */
class ServableCache {
  readonly #deps: Pick<RoutingDeps, 'catalog' | 'loaders' | 'describe'>;
  readonly #loaded = new Map<string, Promise<LoadedRevision>>();

  readonly #onGone: (loaded: LoadedRevision) => void;
  /** What is out of memory and answers its last calls. */
  readonly #ending = new Map<NodeJS.Timeout, LoadedRevision>();

  constructor(deps: Pick<RoutingDeps, 'catalog' | 'loaders' | 'describe'>, onGone: (loaded: LoadedRevision) => void) {
    this.#deps = deps;
    this.#onGone = onGone;
  }

  /** Marks a revision as just used. */
  touch(id: string): void {
    const found = this.#loaded.get(id);
    if (!found) return;
    this.#loaded.delete(id);
    this.#loaded.set(id, found);
  }

  unload(id: string): void {
    const found = this.#loaded.get(id);
    if (!found) return;
    this.#loaded.delete(id);
    void this.#retire(found);
  }

  load(project: string, revision: Revision): Promise<LoadedRevision> {
    const found = this.#loaded.get(revision.id);
    if (found) {
      this.touch(revision.id);
      return found;
    }
    const loading = this.#load(project, revision);
    this.#loaded.set(revision.id, loading);
    loading.catch(() => this.#loaded.delete(revision.id));
    this.#evict();
    return loading;
  }

  async close(): Promise<void> {
    const loaded = await Promise.all([...this.#loaded.values()].map((loading) => loading.catch(() => undefined)));
    this.#loaded.clear();
    for (const timer of this.#ending.keys()) clearTimeout(timer);
    for (const each of [...this.#ending.values(), ...loaded]) await each?.servable.dispose?.();
    this.#ending.clear();
  }

  #evict(): void {
    for (const [id, loading] of this.#loaded) {
      if (this.#loaded.size <= LOADED_SERVABLES_LIMIT) return;
      this.#loaded.delete(id);
      void this.#retire(loading);
    }
  }

  /** No new call finds it any more; those under way have a moment to end. */
  async #retire(loading: Promise<LoadedRevision>): Promise<void> {
    const loaded = await loading.catch(() => undefined);
    if (!loaded) return;
    this.#onGone(loaded);
    const timer = setTimeout(() => {
      this.#ending.delete(timer);
      void loaded.servable.dispose?.();
    }, DISPOSE_GRACE_MS).unref();
    this.#ending.set(timer, loaded);
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
