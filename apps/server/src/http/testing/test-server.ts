import { UnauthenticatedError, NotFoundError, createIds, systemClock, type Principal, type Role, type Route } from '@slipway/kernel';
import { createHttpApp, type HttpApp, type HttpAppDeps, type HttpOptions } from '../http-app.ts';
import { listen, type Listening } from '../listen.ts';
import type { IdentityPort } from '../pipeline.ts';

/** Identity in memory: the key `ROLE@PROJECT` is a key of that role, `instance@PROJECT` an instance admin's. */
export function fakeIdentity(projects: readonly string[] = ['prj_own', 'prj_other']): IdentityPort {
  const find = (key: string): Principal | undefined => {
    const [role, project] = key.split('@');
    if (role === undefined || project === undefined || !projects.includes(project)) return undefined;
    const instance = role === 'instance';
    return { id: `prn_${role}_${project}`, project, role: instance ? 'admin' : (role as Role), instance, label: role };
  };
  return {
    authenticateCached: find,
    async authenticate(key) {
      const principal = find(key);
      if (!principal) throw new UnauthenticatedError('This key is not known.');
      return principal;
    },
    async resolveProject(idOrName) {
      const id = projects.find((project) => project === idOrName || project === `prj_${idOrName}`);
      if (id === undefined) throw new NotFoundError(`There is no project "${idOrName}" here.`);
      return { id, name: id.slice(4), createdAtMs: 0 };
    },
  };
}

export interface TestServer extends Listening {
  readonly http: HttpApp;
  /** What was logged as an error. */
  readonly logged: { message: string; fields: Readonly<Record<string, unknown>> }[];
  request(path: string, init?: RequestInit & { readonly key?: string }): Promise<Response>;
}

/** A real server on a free port with the given routes and keys as `fakeIdentity` has them. */
export async function startTestServer(
  routes: readonly Route[],
  overrides: Partial<Omit<HttpAppDeps, 'options'>> & { readonly options?: Partial<HttpOptions> } = {},
): Promise<TestServer> {
  const logged: TestServer['logged'] = [];
  const { options, ...deps } = overrides;
  const http = createHttpApp({
    capabilities: [{ name: 'test', routes }],
    identity: fakeIdentity(),
    clock: systemClock,
    ids: createIds(systemClock),
    log: { error: (message, fields) => void logged.push({ message, fields }) },
    options: { version: '0.0.0', checkReplies: true, ...options },
    ...deps,
  });
  const listening = await listen(http, { port: 0, host: '127.0.0.1' });
  return {
    ...listening,
    http,
    logged,
    request(path, { key, ...init } = {}) {
      const headers = new Headers(init.headers);
      if (key !== undefined) headers.set('authorization', `Bearer ${key}`);
      return fetch(`${listening.url}${path}`, { ...init, headers });
    },
  };
}
