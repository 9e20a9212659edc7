import type { Capability } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import type { Catalog } from './catalog.ts';

/** The tables alone, for tests that need them before there is a {@link Catalog}. */
export const catalogSchema: Pick<Capability, 'name' | 'migrations'> = { name: 'catalog', migrations: [] };

/** What the catalog brings to the house: its tables and routes. */
export function catalogCapability(_catalog: Catalog, _records: Records): Capability {
  return { ...catalogSchema, routes: [] };
}
