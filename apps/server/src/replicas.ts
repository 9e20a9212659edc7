import { parseSecretKeys } from '@slipway/identity';
import type { Job, Redacted } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { ReplicaConflictError } from './errors.ts';
import { identifyStore } from './object-store-identity.ts';
import { type ReplicaRow, deleteReplica, listOthers, lockStart, saveReplica } from './replica-store.ts';

/** A replica that has not been heard of for this long is taken for dead by those that start. */
const ALIVE_MS = 15_000;
const RENEW_EVERY_MS = 5_000;

/**
 * Calls of replicas are closed into segments that the others can read within about a minute, not an hour. Outcomes of a replica's
 * younger calls, and of those that one left which was killed, are taken by all for an hour.
 */
export const AMONG_REPLICAS = { segmentLimitAgeMs: 60_000, elsewhereAgeMs: 3_600_000 } as const;

/** A replica that is at work beside others on one database. */
export interface Membership {
  /** Lets the next one start. One after the other, because a start on a new database makes tables, the first admin, the engine's own. */
  started(): void;
  /** Says that it is still alive. */
  readonly job: Job;
  leave(): Promise<void>;
}

/**
 * Joins the replicas of a database, or refuses to when they could not work together: secrets that one seals must open on all,
 * and objects that one stores must be found by all. @throws {ReplicaConflictError} naming the other replica and the setting.
 */
export async function joinReplicas(
  records: Records,
  options: { readonly replica: number; readonly secretKey: Redacted | undefined; readonly objectsDirectory: string },
): Promise<Membership> {
  const me: ReplicaRow = {
    replica: options.replica,
    secretKeys: options.secretKey ? parseSecretKeys(options.secretKey.reveal(), 'SLIPWAY_SECRET_KEY').map(({ id }) => id) : [],
    objectStore: await identifyStore(options.objectsDirectory),
  };
  const unlock = await lockStart(records);
  try {
    for (const other of await listOthers(records.db, me.replica)) requireTogether(me, other);
    await saveReplica(records.db, me, ALIVE_MS);
  } catch (error) {
    unlock();
    throw error;
  }
  let isStarting = true;
  const started = () => {
    if (isStarting) unlock();
    isStarting = false;
  };
  return {
    started,
    job: { name: 'server.replica', everyMs: RENEW_EVERY_MS, run: () => saveReplica(records.db, me, ALIVE_MS) },
    async leave() {
      started();
      await deleteReplica(records.db, me.replica);
    },
  };
}

/** @throws {ReplicaConflictError} when two replicas would not open each other's secrets or find each other's objects. */
export function requireTogether(me: ReplicaRow, other: ReplicaRow): void {
  const which = `Replica ${other.replica} is at work on this database`;
  const details = { replica: me.replica, other: other.replica };
  if (me.secretKeys.length === 0) {
    throw new ReplicaConflictError(`${which}, and SLIPWAY_SECRET_KEY is not set here: secrets sealed there would not open here.`, {
      details,
      help: 'Give all replicas the same SLIPWAY_SECRET_KEY; `openssl rand -hex 32` makes one.',
    });
  }
  if (other.secretKeys.length === 0) {
    throw new ReplicaConflictError(`${which} without SLIPWAY_SECRET_KEY: secrets sealed there would not open here.`, {
      details,
      help: 'Stop it and start it again with the same SLIPWAY_SECRET_KEY, followed by the text of its secret.key after a comma.',
    });
  }
  const opens = (row: ReplicaRow, key: string | undefined) => key !== undefined && row.secretKeys.includes(key);
  if (!opens(other, me.secretKeys[0]) || !opens(me, other.secretKeys[0])) {
    throw new ReplicaConflictError(`${which} with another SLIPWAY_SECRET_KEY.`, {
      details,
      help: 'To change the key, first give every replica "OLD,NEW", then every one "NEW,OLD".',
    });
  }
  if (me.objectStore !== other.objectStore) {
    throw new ReplicaConflictError(`${which} and keeps its objects elsewhere: what one stores the other would not find.`, {
      details,
      help: 'Set OBJECTS_URL of all replicas to one folder that they share, such as file:///mnt/slipway-objects.',
    });
  }
}
