import {
  ConflictError,
  ForbiddenError,
  InvalidError,
  NotFoundError,
  PERMISSIONS,
  PlatformError,
  TooLargeError,
  UnauthenticatedError,
  type Permission,
  type Principal,
  type Remedy,
} from '@slipway/kernel';

/** A route is declared in a way the router will not serve; thrown at start, never while serving. */
export class RouteDeclarationError extends Error {
  override readonly name = 'RouteDeclarationError';
}

export class RouteNotFoundError extends NotFoundError {
  override readonly code = 'http/no-such-route';
  constructor(path: string) {
    super(`Nothing is served at ${shorten(path)}.`, { help: 'GET /openapi.json lists every route.' });
  }
}

/** The path exists, the method does not; answered with status 405 and an Allow header. */
export class MethodNotAllowedError extends InvalidError {
  override readonly code = 'http/method-not-allowed';
  readonly allowed: readonly string[];
  constructor(method: string, path: string, allowed: readonly string[]) {
    super(`${shorten(method)} is not served at ${shorten(path)}.`, { details: { allowed }, help: `Use ${allowed.join(' or ')}.` });
    this.allowed = allowed;
  }
}

export class KeyMissingError extends UnauthenticatedError {
  override readonly code = 'http/key-missing';
  constructor(problem: string) {
    super(problem, {
      help: 'Send your key as "Authorization: Bearer KEY". The first admin key is shown at the first start, or is the SLIPWAY_KEY given to it.',
    });
  }
}

export class PermissionDeniedError extends ForbiddenError {
  override readonly code = 'http/permission-denied';
  constructor(permission: Permission, principal: Principal) {
    const roles: readonly string[] = PERMISSIONS[permission];
    const who =
      roles.length === 0
        ? 'only the instance admin has'
        : `the role${roles.length > 1 ? 's' : ''} ${list(roles)} ${roles.length > 1 ? 'have' : 'has'}`;
    super(`This needs the permission "${permission}", which ${who}; this key's role is ${principal.role}.`, {
      details: { permission, roles, role: principal.role },
      help: 'Use a key with such a role; an admin makes one with POST /v1/keys.',
    });
  }
}

export class ProjectHiddenError extends NotFoundError {
  override readonly code = 'identity/project-not-found';
  constructor(project: string) {
    super(`There is no project "${shorten(project)}" here.`, {
      details: { project: shorten(project) },
      help: 'A key sees its own project only; GET /v1/me names it.',
    });
  }
}

/** The Host or Origin header names a place this server does not answer for. */
export class HostRefusedError extends ForbiddenError {
  override readonly code = 'http/host-refused';
  constructor(header: 'Host' | 'Origin', value: string) {
    super(`This server does not answer for ${header} "${shorten(value)}".`, {
      details: { header, value: shorten(value) },
      help: 'Call it by 127.0.0.1, localhost or [::1] with its port, or add the name to the allowed hosts in its configuration.',
    });
  }
}

export class BodyTooLargeError extends TooLargeError {
  override readonly code = 'http/body-too-large';
  constructor(limitBytes: number) {
    super(`The body is larger than this route's limit of ${limitBytes} bytes.`, {
      details: { limitBytes },
      help: 'Send it in smaller parts.',
    });
  }
}

export class BodyFormatError extends InvalidError {
  override readonly code = 'http/body-format';
}

/** A parameter, query or body breaks its schema; `details.problems` lists each field. */
export class RequestInvalidError extends InvalidError {
  override readonly code = 'http/invalid-request';
}

/** The body came slower than the named minimum. */
export class SlowBodyError extends PlatformError {
  override readonly code = 'http/slow-body';
  override readonly kind = 'timeout' as const;
  override readonly remedy: Remedy = 'retry';
  constructor() {
    super('The body arrived too slowly.', { help: 'Send it again over a better connection.' });
  }
}

/** The caller went away before its request had arrived. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError';
}

export class IdempotencyError extends ConflictError {
  override readonly code = 'http/idempotency';
}

/** The first call with this key has not ended yet. */
export class IdempotencyBusyError extends ConflictError {
  override readonly code = 'http/idempotency-busy';
  override readonly remedy: Remedy = 'wait';
  constructor() {
    super('A call with this Idempotency-Key is being answered right now.', { help: 'Wait for its reply or send the call again later.' });
  }
}

function list(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1) ?? ''}`;
}

/** Texts from outside are repeated in messages only in part. */
export function shorten(text: string): string {
  const clean = text.toWellFormed().replace(/\p{Cc}/gu, '?');
  return clean.length > 100 ? `${clean.slice(0, 100)}…` : clean;
}
