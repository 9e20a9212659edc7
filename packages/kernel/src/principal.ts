import { z } from 'zod';

export const Role = z.enum(['admin', 'engineer', 'reviewer', 'viewer', 'service']);
export type Role = z.infer<typeof Role>;

/** What a route asks for. `public` is the only one that needs no key. */
export const PERMISSIONS = {
  /** What a key may ask about itself; every role has it. */
  'self.read': ['admin', 'engineer', 'reviewer', 'viewer', 'service'],
  'project.read': ['admin', 'engineer', 'reviewer', 'viewer'],
  'data.write': ['admin', 'engineer'],
  'run.write': ['admin', 'engineer'],
  'version.write': ['admin', 'engineer'],
  'release.write': ['admin', 'engineer'],
  'release.rollback': ['admin', 'engineer', 'reviewer'],
  /** Says yes to a rollout that waits for a person. */
  'release.approve': ['admin', 'engineer', 'reviewer'],
  'gate.override': ['admin', 'engineer'],
  'invocation.read': ['admin', 'engineer', 'reviewer', 'service'],
  predict: ['admin', 'engineer', 'service'],
  'outcome.write': ['admin', 'engineer', 'reviewer', 'service'],
  'audit.read': ['admin', 'engineer', 'reviewer'],
  'subject.erase': ['admin'],
  'key.manage': ['admin'],
  'project.manage': ['admin'],
  'instance.manage': [],
} as const satisfies Readonly<Record<string, readonly Role[]>>;

export type Permission = keyof typeof PERMISSIONS;

/** Who is calling. Belongs to exactly one project; `instance` may act on all of them. */
export interface Principal {
  readonly id: string;
  readonly project: string;
  readonly role: Role;
  readonly instance: boolean;
  readonly label: string;
}

export function roleAllows(role: Role, permission: Permission): boolean {
  return (PERMISSIONS[permission] as readonly Role[]).includes(role);
}
