import type { Capability, Clock, Migration } from '@slipway/kernel';
import { systemClock } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import {
  IDEMPOTENCY_LEASE_MS,
  IDEMPOTENCY_LIFETIME_MS,
  IDEMPOTENCY_ROWS_PER_PROJECT_LIMIT,
  IDEMPOTENCY_SWEEP_MS,
  IDEMPOTENCY_SWEEP_ROWS,
} from './limits.ts';

/** What one key means: somebody's, on one route, in one project. */
export interface IdempotencyScope {
  readonly project: string;
  readonly principal: string;
  /** Method and declared path. */
  readonly route: string;
  readonly key: string;
}

export interface StoredReply {
  readonly status: number;
  readonly body: string;
}

export type IdempotencyState =
  | { readonly state: 'new' }
  | { readonly state: 'replay'; readonly reply: StoredReply }
  /** The first call has not ended. */
  | { readonly state: 'busy' }
  /** The key was used for another request. */
  | { readonly state: 'mismatch' };

/** Remembers replies, so that a repeated POST is answered instead of done twice. */
export interface IdempotencyStore {
  begin(scope: IdempotencyScope, requestHash: string): Promise<IdempotencyState>;
  finish(scope: IdempotencyScope, reply: StoredReply): Promise<void>;
  /** The call failed; the key is free again. */
  abandon(scope: IdempotencyScope): Promise<void>;
  /** Deletes what is too old, and the oldest beyond the limit of a project. @returns rows deleted. */
  sweep(): Promise<number>;
}

const migrations: readonly Migration[] = [
  {
    id: '0001_idempotency',
    sql: `
create table http_idempotency (
  project text not null,
  principal text not null,
  route text not null,
  key text not null,
  request_hash text not null,
  status integer,
  body text,
  created_at timestamptz not null,
  primary key (project, principal, route, key)
);
create index http_idempotency_age on http_idempotency (project, created_at);
`,
  },
];

/** The HTTP surface's own table and the sweep that keeps it bounded. */
export function httpCapability(records: Records, clock: Clock = systemClock): Capability {
  const store = createIdempotencyStore(records, clock);
  return {
    name: 'http',
    migrations,
    jobs: [{ name: 'http.idempotency', everyMs: IDEMPOTENCY_SWEEP_MS, run: async () => void (await store.sweep()) }],
  };
}

/** One sweep deletes at most so many times IDEMPOTENCY_SWEEP_ROWS; the next goes on. */
const SWEEP_ROUNDS_LIMIT = 20;

const Row = z.object({ request_hash: z.string(), status: z.int().nullable(), body: z.string().nullable() });

export function createIdempotencyStore(records: Records, clock: Clock): IdempotencyStore {
  const { db } = records;
  return {
    async begin(scope, requestHash) {
      const now = clock.nowMs();
      const taken = await sql`insert into http_idempotency (project, principal, route, key, request_hash, created_at)
        values (${scope.project}, ${scope.principal}, ${scope.route}, ${scope.key}, ${requestHash}, ${new Date(now)})
        on conflict (project, principal, route, key) do update
          set request_hash = excluded.request_hash, created_at = excluded.created_at, status = null, body = null
          where http_idempotency.created_at < ${new Date(now - IDEMPOTENCY_LIFETIME_MS)}
            or (http_idempotency.status is null and http_idempotency.request_hash = excluded.request_hash
                and http_idempotency.created_at < ${new Date(now - IDEMPOTENCY_LEASE_MS)})
        returning key`.execute(db);
      if (taken.rows.length > 0) return { state: 'new' };
      const { rows } = await sql`select request_hash, status, body from http_idempotency where ${match(scope)}`.execute(db);
      // The first call failed in between and freed its key: this one may as well come again.
      if (rows.length === 0) return { state: 'busy' };
      const row = Row.parse(rows[0]);
      if (row.request_hash !== requestHash) return { state: 'mismatch' };
      if (row.status === null) return { state: 'busy' };
      return { state: 'replay', reply: { status: row.status, body: row.body ?? '' } };
    },
    async finish(scope, reply) {
      await sql`update http_idempotency set status = ${reply.status}, body = ${reply.body} where ${match(scope)}`.execute(db);
    },
    async abandon(scope) {
      await sql`delete from http_idempotency where ${match(scope)} and status is null`.execute(db);
    },
    async sweep() {
      let deleted = 0;
      for (let round = 0; round < SWEEP_ROUNDS_LIMIT; round += 1) {
        const count = await sweep(records, clock.nowMs());
        deleted += count;
        if (count < IDEMPOTENCY_SWEEP_ROWS) break;
      }
      return deleted;
    },
  };
}

function match(scope: IdempotencyScope) {
  return sql`project = ${scope.project} and principal = ${scope.principal} and route = ${scope.route} and key = ${scope.key}`;
}

async function sweep(records: Records, nowMs: number): Promise<number> {
  const { rows } = await sql`with doomed as (
      select project, principal, route, key from (
        select project, principal, route, key, created_at, row_number() over (partition by project order by created_at desc) as place
        from http_idempotency) aged
      where created_at < ${new Date(nowMs - IDEMPOTENCY_LIFETIME_MS)} or place > ${IDEMPOTENCY_ROWS_PER_PROJECT_LIMIT}
      limit ${IDEMPOTENCY_SWEEP_ROWS})
    delete from http_idempotency h using doomed d
    where h.project = d.project and h.principal = d.principal and h.route = d.route and h.key = d.key
    returning h.key`.execute(records.db);
  return rows.length;
}
