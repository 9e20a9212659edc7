import type { Audit } from '@slipway/audit';
import type { Catalog } from '@slipway/catalog';
import type { Data } from '@slipway/data';
import type { Clock } from '@slipway/kernel';
import type { Objects } from '@slipway/objects';
import type { Records } from '@slipway/records';
import type { Releases, Rollouts } from '@slipway/releases';

export interface LaunchDeps {
  readonly records: Records;
  readonly objects: Objects;
  readonly audit: Audit;
  readonly catalog: Catalog;
  readonly data: Data;
  readonly releases: Releases;
  readonly rollouts: Pick<Rollouts, 'publish'>;
  readonly clock: Clock;
  /** Threads one training may use. */
  readonly trainingThreads: number;
  /** Address that callers reach the server at, for the call shown with a result. */
  readonly publicUrl: () => string;
}

/** Seconds since a monotonic moment, to the millisecond. */
export function secondsSince(clock: Clock, startedMs: number): number {
  return Math.round(clock.monotonicMs() - startedMs) / 1000;
}
