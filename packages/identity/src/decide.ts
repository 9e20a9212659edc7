import { PERMISSIONS, roleAllows, type Permission, type Principal, type Role } from '@slipway/kernel';

/** `hidden` means: answer as if the thing did not exist. */
export type Decision = 'allow' | 'deny' | 'hidden';

/**
 * May this principal do this in this project? Anything of another project is hidden, not denied, so that nobody can
 * learn what exists elsewhere. `instance.manage` belongs to no role: only instance principals have it.
 */
export function decide(principal: Principal, permission: Permission, project: string): Decision {
  if (principal.project !== project && !principal.instance) return 'hidden';
  if (permission === 'instance.manage') return principal.instance ? 'allow' : 'deny';
  return roleAllows(principal.role, permission) ? 'allow' : 'deny';
}

/** Every permission that a principal has in its own project, sorted. */
export function permissionsOf(principal: Principal): Permission[] {
  const all = Object.keys(PERMISSIONS) as Permission[];
  return all.filter((permission) => decide(principal, permission, principal.project) === 'allow').toSorted();
}

/** Whether everything that `inner` may do, `outer` may do too: a key is never wider than its maker. */
export function roleContains(outer: Role, inner: Role): boolean {
  const all = Object.keys(PERMISSIONS) as Permission[];
  return all.every((permission) => !roleAllows(inner, permission) || roleAllows(outer, permission));
}
