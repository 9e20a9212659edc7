import type { Audit } from '@slipway/audit';
import type { Clock, Ids } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import type { Catalog } from './catalog.ts';

export interface CatalogDeps {
  readonly records: Records;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
}

/** The catalog over the records. */
export function createCatalog(deps: CatalogDeps): Catalog {
  throw new Error(`being written ${Object.keys(deps).length}`);
}
