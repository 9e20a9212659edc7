import { PERMISSIONS, type Capability, type Method, type Permission, type Route } from '@slipway/kernel';
import { RouteDeclarationError } from './errors.ts';
import { BODY_LIMIT_DEFAULT_BYTES, EMPTY_BODY_LIMIT_BYTES, STREAM_LIMIT_DEFAULT_BYTES } from './limits.ts';

export const METHODS: readonly Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Under this prefix every project route answers for a project named in the URL. */
export const PROJECT_PREFIX = '/v1/projects/{project}';
/** Only the router itself and routes for instance admins use this parameter's name. */
const PROJECT_PARAMETER = 'project';

/** A route checked and completed: what the routers, the pipeline, OpenAPI and the matrix work from. */
export interface CompiledRoute {
  readonly route: Route;
  readonly method: Method;
  readonly path: string;
  /** `POST /v1/x/{name}`, for messages, logs and metrics. */
  readonly name: string;
  /** Undefined for public routes, and for nothing else. */
  readonly permission: Permission | undefined;
  /** Whether the project is the one named in the URL. */
  readonly inProject: boolean;
  readonly bodyKind: 'json' | 'bytes' | 'stream' | 'none';
  readonly bodyLimitBytes: number;
  /** Matches a plain path (nothing percent-encoded), one group a parameter. */
  readonly pattern: RegExp;
  readonly parameters: readonly string[];
  /** A GET of something that PUT or PATCH changes: its replies carry an ETag. */
  readonly editable: boolean;
}

/**
 * Checks every route and adds its twin under PROJECT_PREFIX. The result is ordered so that fixed segments come before
 * parameters. @throws {RouteDeclarationError} naming the route, for anything that is missing, unknown or twice there.
 */
export function compileRoutes(capabilities: readonly Pick<Capability, 'name' | 'routes'>[]): CompiledRoute[] {
  const compiled: CompiledRoute[] = [];
  const taken = new Map<string, string>();
  for (const capability of capabilities) {
    for (const route of capability.routes ?? []) {
      for (const one of withTwin(route)) {
        const shape = `${one.method} ${one.path.replace(/\{[^}]+\}/g, '{}')}`;
        const other = taken.get(shape);
        if (other !== undefined) throw new RouteDeclarationError(`${one.name} of ${capability.name} is served by ${other} already.`);
        taken.set(shape, capability.name);
        compiled.push(one);
      }
    }
  }
  const edited = new Set(compiled.filter((one) => one.method === 'PUT' || one.method === 'PATCH').map((one) => one.path));
  const marked = compiled.map((one) => (one.method === 'GET' && edited.has(one.path) ? { ...one, editable: true } : one));
  return marked.toSorted((left, right) => (rank(left.path) < rank(right.path) ? -1 : 1));
}

function rank(path: string): string {
  return path.replace(/\{[^}]+\}/g, '\uffff');
}

function withTwin(route: Route): CompiledRoute[] {
  const own = compileRoute(route, route.path, false);
  if (own.parameters.includes(PROJECT_PARAMETER) && route.permission !== 'instance.manage') {
    // Its handler would get a project that nobody has compared with the key's.
    throw new RouteDeclarationError(`${own.name} may not call a parameter {project}: declare it under /v1, the router adds the project.`);
  }
  const twin = route.path.startsWith('/v1/') && !/^\/v1\/projects(?:\/|$)/.test(route.path);
  if (!twin || route.permission === 'public' || route.permission === 'instance.manage') return [own];
  return [own, compileRoute(route, PROJECT_PREFIX + route.path.slice('/v1'.length), true)];
}

function compileRoute(route: Route, path: string, inProject: boolean): CompiledRoute {
  const name = `${String(route.method)} ${String(route.path)}`;
  if (!METHODS.includes(route.method)) throw new RouteDeclarationError(`${name} declares an unknown method.`);
  if (typeof route.handle !== 'function') throw new RouteDeclarationError(`${name} has no handler.`);
  checkPermission(route, name);
  const bodyKind = route.bodyKind ?? (route.body === undefined ? 'none' : 'json');
  checkCombination(route, name, bodyKind);
  const { pattern, parameters } = compilePath(path, name);
  return {
    route,
    method: route.method,
    path,
    name: inProject ? `${route.method} ${path}` : name,
    permission: route.permission === 'public' ? undefined : route.permission,
    inProject,
    bodyKind,
    bodyLimitBytes: route.bodyLimitBytes ?? DEFAULT_LIMITS[bodyKind],
    pattern,
    parameters,
    editable: false,
  };
}

const DEFAULT_LIMITS = {
  json: BODY_LIMIT_DEFAULT_BYTES,
  bytes: BODY_LIMIT_DEFAULT_BYTES,
  stream: STREAM_LIMIT_DEFAULT_BYTES,
  none: EMPTY_BODY_LIMIT_BYTES,
} as const;

function checkPermission(route: Route, name: string): void {
  // The type already says so; a route made by JavaScript or through a cast has not been told.
  const permission = route.permission as unknown;
  if (permission === undefined || permission === null || permission === '') {
    throw new RouteDeclarationError(`${name} declares no permission; every route must, or say 'public'.`);
  }
  if (permission !== 'public' && !(typeof permission === 'string' && Object.hasOwn(PERMISSIONS, permission))) {
    throw new RouteDeclarationError(`${name} declares the unknown permission "${String(permission)}".`);
  }
}

function checkCombination(route: Route, name: string, bodyKind: CompiledRoute['bodyKind']): void {
  const refuse = (reason: string): never => {
    throw new RouteDeclarationError(`${name} ${reason}`);
  };
  if (bodyKind !== 'none' && route.method === 'GET') refuse('is a GET with a body.');
  if (bodyKind === 'none' && route.body !== undefined) refuse("has a body schema and says bodyKind: 'none'.");
  if (route.idempotent && route.method !== 'POST') refuse('is idempotent and no POST; other methods are by nature.');
  if (route.idempotent && bodyKind === 'stream') refuse('is idempotent and takes a stream, which cannot be compared.');
  if (route.idempotent && route.permission === 'public') refuse('is idempotent and public, so nobody owns its replies.');
  if (route.fast && (bodyKind === 'stream' || route.idempotent)) refuse('cannot be fast: it streams or is idempotent.');
}

const SEGMENT = /^(?:\{([a-z][A-Za-z0-9]*)\}|[A-Za-z0-9._~-]+)$/;

function compilePath(path: string, name: string): { pattern: RegExp; parameters: string[] } {
  if (typeof path !== 'string' || !path.startsWith('/')) throw new RouteDeclarationError(`${name} needs a path that begins with /.`);
  const parameters: string[] = [];
  const parts = path
    .slice(1)
    .split('/')
    .map((segment) => {
      const match = SEGMENT.exec(segment);
      if (!match) throw new RouteDeclarationError(`${name}: "${segment}" is neither a plain segment nor one {parameter}.`);
      const parameter = match[1];
      if (parameter === undefined) return segment.replaceAll('.', String.raw`\.`);
      if (parameters.includes(parameter)) throw new RouteDeclarationError(`${name} names the parameter {${parameter}} twice.`);
      parameters.push(parameter);
      return '([A-Za-z0-9._~@:-]+)';
    });
  return { pattern: new RegExp(`^/${parts.join('/')}$`), parameters };
}
