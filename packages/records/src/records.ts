import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdir } from 'node:fs/promises';
import { Kysely, PostgresDialect, type Transaction } from 'kysely';
import pg from 'pg';
import { ConnectionHeldError } from './errors.ts';
import { PgliteConnection } from './pglite-connection.ts';
import { PglitePool } from './pglite-pool.ts';

/**
 * The tables of the house. Each capability adds its own by declaration merging:
 * `declare module '@slipway/records' { interface Tables { audit_event: AuditEventTable } }`.
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- filled by the capabilities through declaration merging
export interface Tables {}

/** A read or write inside one transaction; every statement of the change must go through it. */
export type Tx = Transaction<Tables>;

/** Either the store itself or an open transaction: for reads that work in both. */
export type Db = Kysely<Tables>;

export interface Records {
  readonly engine: 'embedded' | 'postgres';
  readonly db: Db;
  /** node-postgres' Pool, for libraries that want one. */
  readonly pool: pg.Pool;
  /** Runs `work` in one transaction: commits when it resolves, rolls back when it throws. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Calls `handler` for every notification on the channel until the returned function is called. */
  listen(channel: string, handler: (payload: string) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

export type RecordsOptions =
  | { readonly kind: 'embedded'; readonly directory: string | undefined; readonly loadDataDir?: Uint8Array }
  | { readonly kind: 'postgres'; readonly url: string; readonly poolSize?: number };

export const POSTGRES_POOL_SIZE = 10;

/** Opens the relational store. `directory: undefined` keeps an embedded one in memory. */
export async function openRecords(options: RecordsOptions): Promise<Records & EmbeddedExtras> {
  if (options.kind === 'postgres') {
    const pool = new pg.Pool({ connectionString: options.url, max: options.poolSize ?? POSTGRES_POOL_SIZE });
    // An idle connection that breaks is replaced at the next query; without a listener it would end the process.
    pool.on('error', () => {});
    await pool.query('select 1');
    return build('postgres', pool, () => pool.end());
  }
  if (options.directory !== undefined) await mkdir(options.directory, { recursive: true, mode: 0o700 });
  const connection = new PgliteConnection({ dataDir: options.directory, loadDataDir: options.loadDataDir });
  await connection.ready();
  const pool = new PglitePool(connection) as unknown as pg.Pool;
  return build(
    'embedded',
    pool,
    () => connection.close(),
    () => connection.dump(),
  );
}

export interface EmbeddedExtras {
  /** The embedded data directory as one tar file, for tests that boot from a copy. */
  readonly dumpDataDir: (() => Promise<Uint8Array>) | undefined;
}

interface Held {
  active: boolean;
}

function build(
  engine: Records['engine'],
  inner: pg.Pool,
  close: () => Promise<void>,
  dumpDataDir?: () => Promise<Uint8Array>,
): Records & EmbeddedExtras {
  const held = new AsyncLocalStorage<Held>();
  const pool = guardPool(inner, held);
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  return {
    engine,
    db,
    pool,
    dumpDataDir,
    async transaction(work) {
      const store: Held = { active: true };
      return db.transaction().execute(async (tx) => {
        try {
          return await held.run(store, () => work(tx));
        } finally {
          store.active = false;
        }
      });
    },
    async listen(channel, handler) {
      const client = await inner.connect();
      client.on('notification', (message) => {
        if (message.channel === channel) handler(message.payload ?? '');
      });
      client.on('error', () => {});
      await client.query(`listen "${channel.replaceAll('"', '')}"`);
      return async () => {
        await client.query('unlisten *').catch(() => {});
        client.removeAllListeners('notification');
        client.release();
      };
    },
    close,
  };
}

/**
 * A statement on the pool from inside a held transaction would wait for itself for ever on the one embedded
 * connection. Both engines refuse it, so that the mistake shows wherever the tests run.
 */
function guardPool(pool: pg.Pool, held: AsyncLocalStorage<Held>): pg.Pool {
  const refuse = () => {
    if (held.getStore()?.active) throw new ConnectionHeldError();
  };
  return new Proxy(pool, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      if (property !== 'query' && property !== 'connect') return value.bind(target);
      return (...inputs: unknown[]) => {
        refuse();
        return Reflect.apply(value, target, inputs);
      };
    },
  });
}
