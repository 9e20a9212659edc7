import {
  type Invocation,
  NotFoundError,
  type Principal,
  type Servable,
  type ServableKind,
  compileContract,
  systemClock,
} from '@slipway/kernel';
import {
  type LiveRoute,
  type LoadedRevision,
  type MemoryState,
  PINNED_ARM,
  type Releases,
  type Routing,
  RevisionNotFoundError,
  ServableUnavailableError,
  allTrafficOn,
  createAnswering,
} from '@slipway/releases';
import { type OpenInference, createOpenInference } from '../open-inference.ts';

export const PROJECT = 'prj_own';
export const CALLER: { project: string; principal: Principal; requestId: string } = {
  project: PROJECT,
  principal: { id: 'prn_1', project: PROJECT, role: 'service', instance: false, label: 'test' },
  requestId: 'req_1',
};

/** The service over the real answer path, with releases that are held in memory. */
export interface MemoryHouse {
  readonly service: OpenInference;
  readonly written: Invocation[];
  /** Publishes the next revision of a release and gives it all traffic. */
  publish(name: string, make: (id: string) => Servable): void;
  /** From now on the release cannot be loaded. */
  breakRelease(name: string): void;
}

interface Held {
  readonly revisions: LoadedRevision[];
  loaded: boolean;
  broken: boolean;
}

function statesOf(held: ReadonlyMap<string, Held>): Map<string, MemoryState> {
  return new Map([...held].flatMap(([name, { loaded, revisions }]) => (loaded ? [[`${name}@${revisions.length}`, 'loaded']] : [])));
}

const detail = (name: string, { revisions }: Held) => ({
  id: `rel_${name}`,
  name,
  environment: 'production',
  traffic: allTrafficOn(revisions.length),
  mirrors: [],
  createdAt: '',
  updatedAt: '',
  revisions: revisions.map(({ revision }) => revision).toReversed(),
});

/** The service over the real answer path, with releases that are held in memory. */
export function memoryHouse(): MemoryHouse {
  const held = new Map<string, Held>();
  const written: Invocation[] = [];
  const find = (project: string, name: string): Held => {
    const found = project === PROJECT ? held.get(name) : undefined;
    if (!found) throw new NotFoundError(`There is no release "${name}".`);
    if (found.broken) throw new ServableUnavailableError('The version cannot be loaded.');
    return found;
  };
  const routeOf = (name: string, { revisions }: Held, number: number, arms: LiveRoute['arms']): LiveRoute => {
    const loaded = revisions[number - 1];
    if (!loaded) throw new RevisionNotFoundError(name, number);
    return { id: `rel_${name}`, name, arms, mirrors: [], loaded: new Map([[number, loaded]]) };
  };
  const live = (name: string, found: Held) => routeOf(name, found, found.revisions.length, allTrafficOn(found.revisions.length));
  const routing: Pick<Routing, 'peek' | 'resolve' | 'pinned' | 'unload' | 'load' | 'states'> = {
    peek: (project, name) => (project === PROJECT && held.get(name)?.loaded ? live(name, find(project, name)) : undefined),
    async resolve(project, name) {
      const found = find(project, name);
      found.loaded = true;
      return live(name, found);
    },
    pinned: async (project, name, number) =>
      routeOf(name, find(project, name), number, [{ name: PINNED_ARM, revision: number, weight: 1 }]),
    load: async (project, name, number) => find(project, name).revisions[number - 1] as LoadedRevision,
    states: () => statesOf(held),
    unload(project, name) {
      const found = find(project, name);
      const was = found.loaded;
      found.loaded = false;
      return was;
    },
  };
  const releases: Pick<Releases, 'get' | 'list'> = {
    get: async (project, name) => detail(name, find(project, name)),
    list: async () => ({ items: [...held].map(([name, found]) => detail(name, found)), nextCursor: null }),
  };
  let count = 0;
  const answering = createAnswering({
    routing: routing as Routing,
    recorder: { append: async (invocation) => void written.push(invocation) },
    clock: systemClock,
    replica: 1,
    nextInvocationId: () => `inv_${(count += 1)}`,
    draw: Math.random,
  });
  return {
    service: createOpenInference({ answering, routing, releases, clock: systemClock, version: '1.2.3' }),
    written,
    publish(name, make) {
      const found = held.get(name) ?? { revisions: [], loaded: false, broken: false };
      const number = found.revisions.length + 1;
      const servable = make(`mv_${name}${number}`);
      found.revisions.push(revisionOf(name, number, servable));
      held.set(name, found);
    },
    breakRelease(name) {
      find(PROJECT, name).broken = true;
    },
  };
}

function revisionOf(release: string, number: number, servable: Servable): LoadedRevision {
  const { id: version, kind } = servable.version;
  const revision = {
    id: `rev_${release}${number}`,
    release,
    number,
    version,
    kind,
    parts: {},
    recording: 'full',
    run: null,
    principal: 'prn_1',
    createdAt: '',
  } as const;
  return { revision, servable, validator: compileContract(servable.input), parts: new Map() };
}

export function versionRef(id: string, kind: ServableKind = 'model') {
  return { id, kind, name: 'm', recipe: 'r', content: 'c' };
}
