import { Worker } from 'node:worker_threads';
import { workerUrl } from '@slipway/kernel';
import pg from 'pg';
import { collectYoung } from './collect-young.ts';
import { type ErrorFields, PARTS_PER_COLLECTION, type ReplyField, type WorkerReply, type WorkerRequest } from './pglite-protocol.ts';

type RowsMessage = WorkerReply & { type: 'rows' };
type RequestBody = WorkerRequest extends infer R ? (R extends unknown ? Omit<R, 'id'> : never) : never;

interface Waiting {
  readonly resolve: (reply: WorkerReply) => void;
  readonly reject: (error: Error) => void;
  /** Takes each part of a reply with rows. */
  readonly onRows?: (part: RowsMessage) => void;
}

/** Makes of the fields what reads one row; called once a query. */
export type RowReader<Row> = (fields: readonly ReplyField[]) => (raw: readonly (string | null)[]) => Row;

export interface QueryReply<Row> {
  readonly fields: readonly ReplyField[];
  readonly rows: Row[];
  readonly affected: number;
}

/** The process's end of the embedded database: sends one request at a time's worth of messages, matches the replies. */
export class PgliteConnection {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ready: Promise<void>;
  #nextId = 1;
  #parts = 0;
  #failure: Error | undefined;
  onNotification: (channel: string, payload: string) => void = () => {};

  constructor(options: { dataDir?: string | undefined; loadDataDir?: Uint8Array | undefined }) {
    const url = workerUrl('pglite-worker', import.meta.url);
    this.#worker = new Worker(url, { workerData: { dataDir: options.dataDir, loadDataDir: options.loadDataDir }, stdout: false });
    this.#ready = new Promise((resolve, reject) => this.#waiting.set(0, { resolve: () => resolve(), reject }));
    this.#ready.catch(() => {});
    this.#worker.on('message', (reply: WorkerReply) => this.#receive(reply));
    this.#worker.on('error', (error: Error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('The embedded database has been closed.')));
  }

  async ready(): Promise<void> {
    await this.#ready;
  }

  /** Rows are read as they arrive, part by part, with room for other work between the parts. */
  async query<Row>(sql: string, params: (string | Uint8Array | null)[], reader: RowReader<Row>): Promise<QueryReply<Row>> {
    const rows: Row[] = [];
    let read: ((raw: readonly (string | null)[]) => Row) | undefined;
    let unread: unknown;
    // A value that cannot be read fails the query once its last part is here, so that the worker is not left waiting.
    const onRows = (part: RowsMessage) => {
      if (unread !== undefined) return;
      try {
        read ??= reader(part.fields);
        for (const raw of part.rows) rows.push(read(raw));
      } catch (error) {
        unread = error;
      }
    };
    const { fields, affected } = (await this.#send({ type: 'query', sql, params }, onRows)) as RowsMessage;
    if (unread !== undefined) throw unread;
    return { fields, rows, affected };
  }

  async script(sql: string): Promise<void> {
    await this.#send({ type: 'script', sql });
  }

  async listen(channel: string): Promise<void> {
    await this.#send({ type: 'listen', channel });
  }

  async dump(): Promise<Uint8Array> {
    return ((await this.#send({ type: 'dump' })) as WorkerReply & { type: 'bytes' }).bytes;
  }

  async close(): Promise<void> {
    if (this.#failure) return;
    await this.#send({ type: 'close' });
    await this.#worker.terminate();
  }

  #send(body: RequestBody, onRows?: (part: RowsMessage) => void): Promise<WorkerReply> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, ...(onRows ? { onRows } : {}) });
      this.#worker.postMessage({ ...body, id });
    });
  }

  #receive(reply: WorkerReply): void {
    if (reply.type === 'notification') return this.onNotification(reply.channel, reply.payload);
    const waiting = this.#waiting.get(reply.id);
    if (!waiting) return;
    if (reply.type === 'rows') {
      waiting.onRows?.(reply);
      // Asked for in a later turn: timers and sockets come first.
      if (reply.partial) return void setImmediate(() => this.#askForMore(reply.id));
    }
    this.#waiting.delete(reply.id);
    if (reply.type === 'error') waiting.reject(databaseError(reply.message, reply.fields));
    else waiting.resolve(reply);
  }

  #askForMore(id: number): void {
    this.#parts += 1;
    if (this.#parts % PARTS_PER_COLLECTION === 0) collectYoung();
    this.#worker.postMessage({ type: 'more', id });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure);
    this.#waiting.clear();
  }
}

/** The same error class and fields that node-postgres throws, so callers need not know the engine. */
function databaseError(message: string, fields: ErrorFields | undefined): Error {
  if (!fields) return new Error(message);
  return Object.assign(new pg.DatabaseError(message, message.length, 'error'), fields);
}
