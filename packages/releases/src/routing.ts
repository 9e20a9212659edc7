import { OverloadedError } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import type { Arm, Mirror, Revision } from './contract.ts';
import { ReleaseNotFoundError, RevisionNotFoundError } from './errors.ts';
import { findReleaseRow, findRevisionRow } from './release-store.ts';
import { type LoadedRevision, type LoadedServable, type MemoryState, ServableCache, type ServableCacheDeps } from './servable-cache.ts';

/** A routing entry older than this is read again even without a change notice, so a lost notice heals. */
export const ROUTE_TTL_MS = 1_000;
/** News of one project within this time cause one reading. */
const REFRESH_DELAY_MS = 20;
/** Calls that may wait for a route to be read and its versions to be loaded. */
export const ROUTE_WAITERS_LIMIT = 1_000;

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
  /** @throws {OverloadedError} when too many calls wait for routes already. */
  resolve(project: string, name: string): Promise<LiveRoute>;
  /** One revision by number, loaded; for calls that name it and for replay. */
  load(project: string, name: string, number: number): Promise<LoadedRevision>;
  /** A version that may have no revision yet, as a revision like `like` would load it; for replay, and before a rollout. */
  loadVersion(
    project: string,
    version: string,
    like: Pick<Revision, 'release' | 'kind' | 'parts' | 'recording' | 'serving'>,
  ): Promise<LoadedRevision>;
  /** A route to one revision alone, whatever the release's traffic: for calls that name it. From memory once it is loaded. */
  pinned(project: string, name: string, number: number): Promise<LiveRoute>;
  /** Takes a release out of this process's memory; its next call loads it again. @returns whether anything was loaded. */
  unload(project: string, name: string): boolean;
  /**
   * Follows a release that this process has just changed: the old route goes on answering while what the new one needs is loaded
   * and warmed up. Resolves when the next call meets the change, or when it cannot be loaded: then the old route stays for now.
   */
  follow(project: string, name: string): Promise<void>;
  /** Reads a project's routes again soon, while the old ones go on answering. For news from elsewhere. */
  refresh(project: string): void;
  /** What is in memory, for metrics. */
  loaded(): readonly LoadedServable[];
  /** A project's revisions that are in memory, or were and made room for others, by `release@number`. Loads nothing. */
  states(project: string): ReadonlyMap<string, MemoryState>;
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
export interface RoutingDeps extends ServableCacheDeps {
  readonly records: Records;
  readonly monotonicMs: () => number;
}

/**
 * Routes in memory, refreshed by change notices and, at most a second later, by reading again. A stale entry keeps
 * answering while it is refreshed, so that no call waits for the database once a release is warm.
 */
export function createRouting(deps: RoutingDeps): Routing {
  const table = new RouteTable(deps);
  return {
    peek: (project, name) => table.peek(project, name),
    resolve: async (project, name) => table.peek(project, name) ?? table.readOnce(project, name),
    load: (project, name, number) => table.load(project, name, number),
    loadVersion: (project, version, like) => table.loadVersion(project, version, like),
    pinned: (project, name, number) => table.pinned(project, name, number),
    unload: (project, name) => table.unload(project, name),
    follow: (project, name) => table.follow(project, name),
    refresh: (project) => table.refresh(project),
    loaded: () => table.loaded(),
    states: (project) => table.states(project),
    close: () => table.close(),
  };
}

class RouteTable {
  readonly #deps: RoutingDeps;
  readonly #servables: ServableCache;
  readonly #entries = new Map<string, Entry>();
  readonly #pins = new Map<string, LiveRoute>();
  /** Readings that calls wait for, by route. */
  readonly #reading = new Map<string, Promise<LiveRoute>>();
  #waiters = 0;
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
    if (this.#deps.monotonicMs() - entry.readAtMs > ROUTE_TTL_MS) void this.#reread(key, entry, project);
    return entry.route;
  }

  /** However many calls miss a route at once, it is read and loaded once. */
  async readOnce(project: string, name: string): Promise<LiveRoute> {
    if (this.#waiters >= ROUTE_WAITERS_LIMIT)
      throw new OverloadedError('loading', `${ROUTE_WAITERS_LIMIT} calls already wait for releases to be loaded.`, {
        retryAfterSeconds: 2,
      });
    const key = `${project}/${name}`;
    let reading = this.#reading.get(key);
    if (!reading) {
      const begun = this.#read(project, name);
      reading = begun;
      this.#reading.set(key, begun);
      const end = () => {
        if (this.#reading.get(key) === begun) this.#reading.delete(key);
      };
      begun.then((route) => {
        // What was read before a change was noticed may be older than the change.
        if (this.#reading.get(key) === begun) this.#keep(key, route);
        end();
      }, end);
    }
    this.#waiters += 1;
    try {
      return await reading;
    } finally {
      this.#waiters -= 1;
    }
  }

  #keep(key: string, route: LiveRoute): void {
    this.#entries.set(key, { route, readAtMs: this.#deps.monotonicMs(), refreshing: false });
  }

  async #read(project: string, name: string): Promise<LiveRoute> {
    const release = await findReleaseRow(this.#deps.records.db, project, name);
    if (!release || release.traffic.length === 0) throw new ReleaseNotFoundError(name);
    const loaded = new Map<number, LoadedRevision>();
    for (const arm of release.traffic) loaded.set(arm.revision, await this.load(project, name, arm.revision));
    for (const { revision } of release.mirrors) loaded.set(revision, await this.load(project, name, revision));
    return { id: release.id, name, arms: release.traffic, mirrors: release.mirrors, loaded };
  }

  async load(project: string, name: string, number: number): Promise<LoadedRevision> {
    const revision = await findRevisionRow(this.#deps.records.db, project, name, number);
    if (!revision) throw new RevisionNotFoundError(name, number);
    return this.#servables.load(project, revision);
  }

  loadVersion(project: string, version: string, like: Parameters<Routing['loadVersion']>[2]): Promise<LoadedRevision> {
    const { release, kind, parts, recording, serving } = like;
    const id = `${VERSION_KEY}${version} ${JSON.stringify([parts, serving])}`;
    const unnumbered = { number: UNNUMBERED, run: null, principal: '', createdAt: '' };
    return this.#servables.load(project, { ...unnumbered, id, release, version, kind, parts, recording, serving });
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

  async follow(project: string, name: string): Promise<void> {
    const key = `${project}/${name}`;
    // What was read before the change is not kept, neither here nor by a refresh that is under way.
    this.#reading.delete(key);
    const old = this.#entries.get(key);
    if (!old) return;
    const entry: Entry = { route: old.route, readAtMs: this.#deps.monotonicMs(), refreshing: false };
    this.#entries.set(key, entry);
    await this.#reread(key, entry, project);
  }

  refresh(project: string): void {
    if (this.#waiting.has(project)) return;
    this.#waiting.add(project);
    setTimeout(() => {
      this.#waiting.delete(project);
      for (const [key, entry] of this.#entries) if (key.startsWith(`${project}/`)) void this.#reread(key, entry, project);
    }, REFRESH_DELAY_MS).unref();
  }

  loaded(): LoadedServable[] {
    return this.#servables.list();
  }

  states(project: string): ReadonlyMap<string, MemoryState> {
    return this.#servables.states(project);
  }

  close(): Promise<void> {
    return this.#servables.close();
  }

  async #reread(key: string, entry: Entry, project: string): Promise<void> {
    if (entry.refreshing) return;
    entry.refreshing = true;
    await this.#read(project, entry.route.name).then(
      (route) => {
        // Forgotten meanwhile: whoever comes next reads what is so now.
        if (this.#entries.get(key) === entry) this.#keep(key, route);
      },
      (error: unknown) => {
        // A release that is gone must stop answering; a database that is out of reach must not stop the ones that are warm.
        if (error instanceof ReleaseNotFoundError) this.#entries.delete(key);
        else Object.assign(entry, { refreshing: false, readAtMs: this.#deps.monotonicMs() });
      },
    );
  }

  /** A servable that was taken out of memory may not be found through a route any more. */
  #forget(gone: LoadedRevision): void {
    const uses = (route: LiveRoute) => [...route.loaded.values()].includes(gone);
    for (const [key, { route }] of this.#entries) if (uses(route)) this.#entries.delete(key);
    for (const [key, route] of this.#pins) if (uses(route)) this.#pins.delete(key);
  }
}
