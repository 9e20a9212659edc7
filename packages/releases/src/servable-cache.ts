import type { Catalog } from '@slipway/catalog';
import {
  type Contract,
  OverloadedError,
  type RowValidator,
  type Servable,
  type ServableKind,
  type ServableLoader,
  type VersionRef,
  compileContract,
} from '@slipway/kernel';
import type { Revision } from './contract.ts';
import { ServableUnavailableError } from './errors.ts';

/** Servables kept loaded; beyond it the one used longest ago is disposed. */
export const LOADED_SERVABLES_LIMIT = 512;
/** Servables that are being loaded at once: each takes a core for a while. */
export const LOADS_AT_ONCE_LIMIT = 2;
/** Loads that wait for their turn. */
export const LOAD_QUEUE_LIMIT = 256;
/** A servable that was taken out of memory ends this much later at the earliest, so that calls which already hold it are answered. */
const DISPOSE_GRACE_MS = 1_000;
/** Longest wait for the last calls of a servable that is out of memory. */
const DISPOSE_WAIT_LIMIT_MS = 600_000;

/** What the hot path needs to answer for a revision, ready in memory. */
export interface LoadedRevision {
  readonly revision: Revision;
  readonly servable: Servable;
  readonly validator: RowValidator;
  readonly parts: ReadonlyMap<string, VersionRef>;
}

/** Why a servable left memory. */
export type UnloadReason = 'memory' | 'count' | 'asked';

/** A servable in memory as metrics show it. */
export interface LoadedServable {
  readonly project: string;
  readonly release: string;
  readonly revision: number;
  /** As measured when it was loaded; 0 where nothing was. */
  readonly memoryBytes: number;
  readonly queuedRows: number;
  readonly inFlight: number;
}

/** Whether a revision answers from memory; `made-room`: it did, and its next call loads it again. */
export type MemoryState = 'loaded' | 'made-room';

/** Revisions that are remembered to have made room; the oldest are forgotten. */
const MADE_ROOM_LIMIT = 10_000;

export interface ServableCacheDeps {
  readonly catalog: Catalog;
  readonly loaders: ReadonlyMap<ServableKind, ServableLoader>;
  /** Told what a version takes before it answers its first call, so that its calls are watched as its data was read. */
  readonly describe: (project: string, version: string, contract: Contract) => Promise<void>;
  /** What loaded servables may hold together. Default: no limit but their number. */
  readonly memoryLimitBytes?: number | undefined;
  readonly onLoad?: ((project: string) => void) | undefined;
  readonly onUnload?: ((reason: UnloadReason, project: string) => void) | undefined;
}

interface Held {
  readonly project: string;
  readonly loading: Promise<LoadedRevision>;
  loaded: LoadedRevision | undefined;
}

/**
 * Loaded revisions by id, within a number and a sum of memory: beyond either, those used longest ago go, but never one that has
 * calls. Loading the same one twice at once happens once. A single one that is larger than the budget stays, alone.
 */
export class ServableCache {
  readonly #deps: ServableCacheDeps;
  /** Least recently used first. */
  readonly #held = new Map<string, Held>();
  readonly #onGone: (loaded: LoadedRevision) => void;
  /** What is out of memory and answers its last calls. */
  readonly #ending = new Map<NodeJS.Timeout, LoadedRevision>();
  /** Revisions that were taken out for the sake of others, as `states` names them. */
  readonly #madeRoom = new Map<string, { readonly project: string; readonly key: string }>();
  readonly #turns: (() => void)[] = [];
  #loadingCount = 0;

  constructor(deps: ServableCacheDeps, onGone: (loaded: LoadedRevision) => void) {
    this.#deps = deps;
    this.#onGone = onGone;
  }

  /** What is in memory, for metrics. */
  list(): LoadedServable[] {
    const list: LoadedServable[] = [];
    for (const { project, loaded } of this.#held.values()) {
      if (!loaded) continue;
      const { revision, servable } = loaded;
      const { memoryBytes = 0, queuedRows = 0, inFlight = 0 } = servable.capacity ?? {};
      list.push({ project, release: revision.release, revision: revision.number, memoryBytes, queuedRows, inFlight });
    }
    return list;
  }

  /** A project's revisions that are in memory, or have made room, by `release@number`. */
  states(project: string): Map<string, MemoryState> {
    const states = new Map<string, MemoryState>();
    for (const each of this.#madeRoom.values()) if (each.project === project) states.set(each.key, 'made-room');
    for (const held of this.#held.values())
      if (held.project === project && held.loaded) states.set(revisionKey(held.loaded.revision), 'loaded');
    return states;
  }

  /** Marks a revision as just used. */
  touch(id: string): void {
    const found = this.#held.get(id);
    if (!found) return;
    this.#held.delete(id);
    this.#held.set(id, found);
  }

  unload(id: string): void {
    this.#madeRoom.delete(id);
    const found = this.#held.get(id);
    if (found) this.#drop(id, found, 'asked');
  }

  /** @throws {OverloadedError} when too many others wait to be loaded. */
  load(project: string, revision: Revision): Promise<LoadedRevision> {
    const found = this.#held.get(revision.id);
    if (found) {
      this.touch(revision.id);
      return found.loading;
    }
    const loading = this.#inTurn(() => this.#load(project, revision));
    const held: Held = { project, loading, loaded: undefined };
    this.#held.set(revision.id, held);
    loading.then(
      (loaded) => {
        held.loaded = loaded;
        this.#madeRoom.delete(revision.id);
        this.#deps.onLoad?.(project);
        this.#makeRoom(held);
      },
      () => {
        if (this.#held.get(revision.id) === held) this.#held.delete(revision.id);
      },
    );
    return loading;
  }

  async close(): Promise<void> {
    const loaded = await Promise.all([...this.#held.values()].map(({ loading }) => loading.catch(() => undefined)));
    this.#held.clear();
    for (const timer of this.#ending.keys()) clearTimeout(timer);
    for (const each of [...this.#ending.values(), ...loaded]) await each?.servable.dispose?.();
    this.#ending.clear();
  }

  /** Takes out what was used longest ago until the rest fits; `newest` has just been loaded for somebody. */
  #makeRoom(newest: Held): void {
    const { memoryLimitBytes = Number.POSITIVE_INFINITY } = this.#deps;
    let bytes = 0;
    for (const { loaded } of this.#held.values()) bytes += bytesOf(loaded);
    for (const [id, held] of this.#held) {
      const reason = bytes > memoryLimitBytes ? 'memory' : this.#held.size > LOADED_SERVABLES_LIMIT ? 'count' : undefined;
      if (reason === undefined) return;
      if (held === newest || !held.loaded || (held.loaded.servable.capacity?.inFlight ?? 0) > 0) continue;
      if (reason === 'memory' && bytesOf(held.loaded) === 0) continue;
      bytes -= bytesOf(held.loaded);
      this.#remember(id, held.project, held.loaded.revision);
      this.#drop(id, held, reason);
    }
  }

  #remember(id: string, project: string, revision: Revision): void {
    this.#madeRoom.set(id, { project, key: revisionKey(revision) });
    const [oldest] = this.#madeRoom.keys();
    if (this.#madeRoom.size > MADE_ROOM_LIMIT && oldest !== undefined) this.#madeRoom.delete(oldest);
  }

  /** No new call finds it any more; those under way are answered. */
  #drop(id: string, held: Held, reason: UnloadReason): void {
    this.#held.delete(id);
    const retire = (loaded: LoadedRevision) => {
      this.#onGone(loaded);
      this.#deps.onUnload?.(reason, held.project);
      this.#disposeLater(loaded, performance.now() + DISPOSE_WAIT_LIMIT_MS);
    };
    if (held.loaded) retire(held.loaded);
    else held.loading.then(retire, () => {});
  }

  #disposeLater(loaded: LoadedRevision, endMs: number): void {
    const timer = setTimeout(() => {
      this.#ending.delete(timer);
      const isBusy = (loaded.servable.capacity?.inFlight ?? 0) > 0;
      if (isBusy && performance.now() < endMs) this.#disposeLater(loaded, endMs);
      else void loaded.servable.dispose?.();
    }, DISPOSE_GRACE_MS).unref();
    this.#ending.set(timer, loaded);
  }

  async #inTurn(load: () => Promise<LoadedRevision>): Promise<LoadedRevision> {
    if (this.#turns.length >= LOAD_QUEUE_LIMIT)
      throw new OverloadedError('loading', `${LOAD_QUEUE_LIMIT} other versions already wait to be loaded.`, { retryAfterSeconds: 5 });
    if (this.#loadingCount < LOADS_AT_ONCE_LIMIT) this.#loadingCount += 1;
    else await new Promise<void>((resolve) => this.#turns.push(resolve));
    try {
      return await load();
    } finally {
      // The next in line takes over this place, so that nobody slips in between.
      const next = this.#turns.shift();
      if (next) next();
      else this.#loadingCount -= 1;
    }
  }

  async #load(project: string, revision: Revision): Promise<LoadedRevision> {
    const loader = this.#deps.loaders.get(revision.kind as ServableKind);
    if (!loader) throw new ServableUnavailableError(`This server cannot load a version of kind "${revision.kind}".`);
    const servable = await loader.load(project, await this.#reference(project, revision.version), revision.serving);
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

const revisionKey = ({ release, number }: Pick<Revision, 'release' | 'number'>) => `${release}@${number}`;

function bytesOf(loaded: LoadedRevision | undefined): number {
  return loaded?.servable.capacity?.memoryBytes ?? 0;
}
