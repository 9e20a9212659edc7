import type { Clock, Ids } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import type { Audit } from './audit.ts';

export interface AuditDeps {
  readonly records: Records;
  readonly clock: Clock;
  readonly ids: Ids;
}

/** The audit log over the records. */
export function createAudit(deps: AuditDeps): Audit {
  throw new Error(`being written ${Object.keys(deps).length}`);
}
