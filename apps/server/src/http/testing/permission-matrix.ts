import { ERROR_KINDS, Role, roleAllows, type Method, type Route } from '@slipway/kernel';
import { METHODS, compileRoutes, type CompiledRoute } from '../compile-routes.ts';

/** Keys of two projects, one of each role in both. */
export interface MatrixKeys {
  readonly ownProject: string;
  readonly otherProject: string;
  readonly own: Readonly<Record<Role, string>>;
  readonly other: Readonly<Record<Role, string>>;
  /** A key of an instance principal, when its reach shall be tried as well. */
  readonly instance?: string;
}

/** Anything that answers a Fetch Request: an app, or `fetch` with a real server's address. */
export interface MatrixTarget {
  fetch(request: Request): Response | Promise<Response>;
}

export interface MatrixOptions {
  /** Where requests are addressed; its host must be one that the server answers for. */
  readonly origin?: string;
  /** The value of a path parameter; by default a name that nothing has. */
  readonly fill?: (parameter: string) => string;
}

/** One request whose answer was not the declared one. */
export interface MatrixProblem {
  readonly request: string;
  readonly caller: string;
  readonly expected: string;
  readonly status: number;
}

export interface MatrixResult {
  readonly checks: number;
  readonly problems: readonly MatrixProblem[];
}

/** `allowed`: anything but a refusal or a failure. `absent`: the method or path does not exist. */
type Verdict = 'allowed' | 'unauthenticated' | 'forbidden' | 'hidden' | 'absent';

interface Caller {
  readonly name: string;
  readonly key: string | undefined;
  readonly verdict: (compiled: CompiledRoute) => Verdict;
}

/**
 * Tries every declared route with every method, as nobody, with a wrong key, and with each role's key of this and of
 * another project, and compares with what the route declares. Undeclared methods must not exist, denied calls must be
 * refused with exactly the status of their kind, allowed ones must not fail inside. Sends `{}` as body.
 * @param routes what the capabilities declare, not what a router made of it.
 */
export async function runPermissionMatrix(
  target: MatrixTarget,
  routes: readonly Route[],
  keys: MatrixKeys,
  options: MatrixOptions = {},
): Promise<MatrixResult> {
  const compiled = compileRoutes([{ name: 'matrix', routes }]);
  const origin = options.origin ?? 'http://localhost';
  const problems: MatrixProblem[] = [];
  let checks = 0;
  for (const path of new Set(compiled.map((one) => one.path))) {
    const served = compiled.filter((one) => one.path === path);
    for (const method of METHODS) {
      const route = served.find((one) => one.method === method);
      // Other routes may serve the same address under another pattern (a fixed segment beside a parameter).
      for (const caller of callers(served[0] as CompiledRoute, keys)) {
        const project = served[0]?.inProject ? caller.project : undefined;
        const address = fillPath(path, project, options.fill ?? (() => 'matrix-probe'));
        if (!route && compiled.some((one) => one.method === method && one.pattern.test(address))) continue;
        checks += 1;
        const status = await probe(target, `${origin}${address}`, method, caller.key);
        const verdict = route ? caller.verdict(route) : 'absent';
        if (!fits(verdict, status)) {
          problems.push({ request: `${method} ${path}`, caller: caller.name, expected: EXPECTATIONS[verdict], status });
        }
      }
    }
  }
  return { checks, problems };
}

/** @throws with every problem listed, and when nothing was checked. */
export function assertPermissionMatrix(result: MatrixResult): void {
  if (result.checks === 0) throw new Error('The permission matrix checked nothing.');
  if (result.problems.length === 0) return;
  const lines = result.problems.map(
    ({ request, caller, expected, status }) => `${request} as ${caller}: expected ${expected}, got ${status}`,
  );
  throw new Error(`${result.problems.length} of ${result.checks} checks of the permission matrix failed:\n${lines.join('\n')}`);
}

function fillPath(path: string, project: string | undefined, fill: (parameter: string) => string): string {
  return path.replace(/\{([^}]+)\}/g, (_match, name: string) =>
    encodeURIComponent(name === 'project' && project !== undefined ? project : fill(name)),
  );
}

type ProjectCaller = Caller & { readonly project: string };

function needsKey(compiled: CompiledRoute): Verdict {
  return compiled.permission === undefined ? 'allowed' : 'unauthenticated';
}

function callers(sample: CompiledRoute, keys: MatrixKeys): ProjectCaller[] {
  const { ownProject, otherProject } = keys;
  const list: ProjectCaller[] = [
    { name: 'nobody', key: undefined, project: ownProject, verdict: needsKey },
    { name: 'an unknown key', key: `unknown-${'x0'.repeat(20)}`, project: ownProject, verdict: needsKey },
  ];
  for (const role of Role.options) {
    const byRole = (compiled: CompiledRoute): Verdict => {
      if (compiled.permission === undefined) return 'allowed';
      return roleAllows(role, compiled.permission) ? 'allowed' : 'forbidden';
    };
    list.push({ name: role, key: keys.own[role], project: ownProject, verdict: byRole });
    if (!sample.inProject) continue;
    list.push({ name: `${role} of another project`, key: keys.other[role], project: ownProject, verdict: () => 'hidden' });
    list.push({ name: `${role} in another project`, key: keys.own[role], project: otherProject, verdict: () => 'hidden' });
    list.push({ name: `${role} in no project`, key: keys.own[role], project: 'no-such-project', verdict: () => 'hidden' });
  }
  if (keys.instance !== undefined) {
    list.push({ name: 'instance admin', key: keys.instance, project: otherProject, verdict: () => 'allowed' });
  }
  return list;
}

const EXPECTATIONS: Readonly<Record<Verdict, string>> = {
  allowed: 'neither 401, 403, 405 nor 5xx',
  unauthenticated: '401',
  forbidden: '403',
  hidden: '404',
  absent: '404 or 405',
};

function fits(verdict: Verdict, status: number): boolean {
  switch (verdict) {
    case 'allowed':
      return status < 500 && status !== 401 && status !== 403 && status !== 405;
    case 'unauthenticated':
      return status === ERROR_KINDS.unauthenticated.httpStatus;
    case 'forbidden':
      return status === ERROR_KINDS.forbidden.httpStatus;
    case 'hidden':
      return status === ERROR_KINDS.notFound.httpStatus;
    case 'absent':
      return status === 404 || status === 405;
  }
}

async function probe(target: MatrixTarget, url: string, method: Method, key: string | undefined): Promise<number> {
  const headers = new Headers(key === undefined ? {} : { authorization: `Bearer ${key}` });
  const init: RequestInit = { method, headers, signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) };
  if (method !== 'GET') {
    headers.set('content-type', 'application/json');
    init.body = '{}';
  }
  const response = await target.fetch(new Request(url, init));
  // Streams of events never end by themselves; other bodies are read, so that the connection can be used again.
  if (response.headers.get('content-type')?.startsWith('text/event-stream')) await response.body?.cancel();
  else await response.arrayBuffer();
  return response.status;
}

const PROBE_TIMEOUT_MS = 30_000;
