import type { Capability } from '@slipway/kernel';
import type { Audit } from './audit.ts';

/** The tables alone, for tests that need them before there is an {@link Audit}. */
export const auditSchema: Pick<Capability, 'name' | 'migrations'> = { name: 'audit', migrations: [] };

/** What audit brings to the house: its tables and routes. */
export function auditCapability(_audit: Audit): Capability {
  return { ...auditSchema, routes: [] };
}
