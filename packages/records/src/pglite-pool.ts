import { EventEmitter } from 'node:events';
import pg from 'pg';
import utils from 'pg/lib/utils.js';
import { PgliteConnection, type QueryReply, type RowReader } from './pglite-connection.ts';

/** Statements waiting for the one connection; beyond this the caller is told instead of the queue growing. */
export const WAITING_STATEMENTS_LIMIT = 20_000;

type Callback = (error: Error | undefined, result?: pg.QueryResult) => void;
type QueryInput = string | { text: string; values?: unknown[]; rowMode?: 'array' };

/** First come, first served: whoever holds the lock has the connection to itself. */
class Mutex {
  readonly #waiting: (() => void)[] = [];
  #held = false;

  async acquire(): Promise<() => void> {
    if (!this.#held) this.#held = true;
    else {
      if (this.#waiting.length >= WAITING_STATEMENTS_LIMIT)
        throw new Error(`More than ${WAITING_STATEMENTS_LIMIT} statements wait for the embedded database.`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const next = this.#waiting.shift();
      if (next) next();
      else this.#held = false;
    };
  }
}

const BEGINS = /^\s*(?:begin|start\s+transaction)\b/i;
const ENDS = /^\s*(?:commit|end|abort|rollback(?!\s+(?:work\s+|transaction\s+)?to\b))\b/i;
const LISTENS = /^\s*listen\s+"?([\w]+)"?\s*;?\s*$/i;
const UNLISTENS = /^\s*unlisten\b/i;

/**
 * node-postgres' Pool over the single connection of the embedded database. Each client is a view of that connection:
 * a statement outside a transaction holds the lock while it runs, a transaction holds it from BEGIN to COMMIT, so
 * interleaved clients behave as on a server that serialises them.
 */
export class PglitePool extends EventEmitter {
  readonly #connection: PgliteConnection;
  readonly #mutex = new Mutex();
  readonly #clients = new Set<PgliteClient>();
  readonly #listening = new Set<string>();
  ended = false;
  readonly options = { max: 1 };

  constructor(connection: PgliteConnection) {
    super();
    this.#connection = connection;
    connection.onNotification = (channel, payload) => {
      for (const client of this.#clients) client.deliver(channel, payload);
    };
  }

  get totalCount(): number {
    return this.#clients.size;
  }
  get idleCount(): number {
    return 0;
  }
  get waitingCount(): number {
    return 0;
  }

  connect(callback?: (error: Error | undefined, client?: PgliteClient, release?: () => void) => void): Promise<PgliteClient> {
    const client = new PgliteClient(this.#connection, this.#mutex, this.#listening, (closed) => this.#clients.delete(closed));
    this.#clients.add(client);
    this.emit('connect', client);
    if (callback) callback(undefined, client, () => client.release());
    return Promise.resolve(client);
  }

  query(input: QueryInput, values?: unknown[] | Callback, callback?: Callback): Promise<pg.QueryResult> {
    const client = new PgliteClient(this.#connection, this.#mutex, this.#listening, () => {});
    return client.query(input, values, callback);
  }

  async end(): Promise<void> {
    this.ended = true;
  }
}

/** One caller's view of the embedded connection; has the parts of node-postgres' PoolClient that are used. */
export class PgliteClient extends EventEmitter {
  readonly #connection: PgliteConnection;
  readonly #mutex: Mutex;
  readonly #serverListens: Set<string>;
  readonly #forget: (client: PgliteClient) => void;
  readonly #channels = new Set<string>();
  #release: (() => void) | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(connection: PgliteConnection, mutex: Mutex, serverListens: Set<string>, forget: (client: PgliteClient) => void) {
    super();
    this.#connection = connection;
    this.#mutex = mutex;
    this.#serverListens = serverListens;
    this.#forget = forget;
  }

  query(input: QueryInput, values?: unknown[] | Callback, callback?: Callback): Promise<pg.QueryResult> {
    const text = typeof input === 'string' ? input : input.text;
    const given = (Array.isArray(values) ? values : typeof input === 'string' ? undefined : input.values) ?? [];
    const rowMode = typeof input === 'string' ? undefined : input.rowMode;
    const notify = typeof values === 'function' ? values : callback;
    const run = this.#queue.then(() => this.#run(text, given, rowMode));
    this.#queue = run.catch(() => {});
    if (notify) {
      run.then(
        (result) => notify(undefined, result),
        (error: Error) => notify(error),
      );
    }
    return run;
  }

  /** Gives the view back. A transaction left open is rolled back, as a server does when a client goes away. */
  release(): void {
    this.#channels.clear();
    this.#forget(this);
    const held = this.#release;
    if (!held) return;
    this.#release = undefined;
    void this.#connection
      .script('rollback')
      .catch(() => {})
      .finally(held);
  }

  async end(): Promise<void> {
    this.release();
    this.emit('end');
  }

  deliver(channel: string, payload: string): void {
    if (this.#channels.has(channel)) this.emit('notification', { channel, payload, processId: 0 });
  }

  async #run(text: string, values: readonly unknown[], rowMode: 'array' | undefined): Promise<pg.QueryResult> {
    const held = this.#release;
    const release = held ?? (await this.#mutex.acquire());
    let keep = held !== undefined;
    try {
      const result = await this.#execute(text, values, rowMode);
      if (BEGINS.test(text)) keep = true;
      return result;
    } finally {
      if (ENDS.test(text)) keep = false;
      this.#release = keep ? release : undefined;
      if (!keep) release();
    }
  }

  async #execute(text: string, values: readonly unknown[], rowMode: 'array' | undefined): Promise<pg.QueryResult> {
    const listens = LISTENS.exec(text);
    if (listens) {
      const channel = listens[1] as string;
      this.#channels.add(channel);
      if (!this.#serverListens.has(channel)) {
        this.#serverListens.add(channel);
        await this.#connection.listen(channel);
      }
      return emptyResult('LISTEN');
    }
    if (UNLISTENS.test(text)) {
      // Other views may still listen on the shared connection; this one just stops hearing.
      this.#channels.clear();
      return emptyResult('UNLISTEN');
    }
    if (values.length === 0 && text.includes(';') && isScript(text)) {
      await this.#connection.script(text);
      return emptyResult('SCRIPT');
    }
    const reply = await this.#connection.query(
      text,
      values.map((value) => utils.prepareValue(value)),
      rowMode === 'array' ? arrayReader : objectReader,
    );
    return toResult(text, reply);
  }
}

/** Several statements without parameters, which the extended protocol refuses. */
function isScript(text: string): boolean {
  return text.trim().replace(/;\s*$/, '').includes(';');
}

function emptyResult(command: string): pg.QueryResult {
  return { command, rowCount: 0, oid: 0, fields: [], rows: [] };
}

type Parser = (value: string) => unknown;

function parserOf({ dataTypeID }: { readonly dataTypeID: number }): Parser {
  return pg.types.getTypeParser(dataTypeID, 'text') as Parser;
}

const arrayReader: RowReader<unknown> = (fields) => {
  const parsers = fields.map(parserOf);
  return (raw) => raw.map((value, index) => (value === null ? null : parsers[index]?.(value)));
};

const objectReader: RowReader<unknown> = (fields) => {
  const parsers = fields.map(parserOf);
  return (raw) => {
    const row: Record<string, unknown> = {};
    for (let index = 0; index < fields.length; index += 1) {
      const value = raw[index] ?? null;
      row[(fields[index] as { name: string }).name] = value === null ? null : (parsers[index] as Parser)(value);
    }
    return row;
  };
};

function toResult(text: string, reply: QueryReply<unknown>): pg.QueryResult {
  const { rows } = reply;
  const command = (/^\s*(\w+)/.exec(text)?.[1] ?? '').toUpperCase();
  const fields = reply.fields.map((field) => ({
    ...field,
    tableID: 0,
    columnID: 0,
    dataTypeSize: -1,
    dataTypeModifier: -1,
    format: 'text',
  }));
  const rowCount = rows.length > 0 || reply.affected === 0 ? Math.max(rows.length, reply.affected) : reply.affected;
  return { command, rowCount, oid: 0, fields, rows: rows as pg.QueryResultRow[] };
}
