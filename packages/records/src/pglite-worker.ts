import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import type { WorkerReply, WorkerRequest } from './pglite-protocol.ts';

/**
 * The thread that owns the embedded database. Parameters arrive as text or bytes exactly as node-postgres would send
 * them, and values leave as text for node-postgres' own type parsers, so both engines give the same JavaScript values.
 */
const port = parentPort;
if (!port) throw new Error('pglite-worker must run as a worker thread');

const { dataDir, loadDataDir } = workerData as { dataDir: string | undefined; loadDataDir: Uint8Array<ArrayBuffer> | undefined };
const db = await PGlite.create({
  ...(dataDir === undefined ? {} : { dataDir }),
  ...(loadDataDir === undefined ? {} : { loadDataDir: new Blob([loadDataDir]) }),
});

const identity = (value: unknown) => value as string;
const builtIn = await db.query<{ oid: number }>('select oid::int4 as oid from pg_type where oid < 16384');
const asText = Object.fromEntries(builtIn.rows.map((row) => [row.oid, identity]));

function reply(message: WorkerReply): void {
  port?.postMessage(message);
}

const ERROR_FIELDS = [
  'severity',
  'code',
  'detail',
  'hint',
  'position',
  'where',
  'schema',
  'table',
  'column',
  'constraint',
  'routine',
] as const;

/** Matched by shape: the database's error class is not part of PGlite's public names. */
function describeError(thrown: unknown): { message: string; fields: Record<string, string | undefined> | undefined } {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const raw = thrown as Readonly<Record<string, unknown>>;
  if (!(thrown instanceof Error) || typeof raw['code'] !== 'string') return { message, fields: undefined };
  const fields = Object.fromEntries(ERROR_FIELDS.map((name) => [name, raw[name] === undefined ? undefined : String(raw[name])]));
  return { message, fields };
}

async function handle(request: WorkerRequest): Promise<void> {
  switch (request.type) {
    case 'query': {
      const options = { rowMode: 'array' as const, parsers: asText, serializers: asText };
      const result = await db.query<unknown[]>(request.sql, request.params, options);
      const fields = result.fields.map(({ name, dataTypeID }) => ({ name, dataTypeID }));
      return reply({ id: request.id, type: 'rows', fields, rows: result.rows as (string | null)[][], affected: result.affectedRows ?? 0 });
    }
    case 'script':
      await db.exec(request.sql);
      return reply({ id: request.id, type: 'done' });
    case 'listen':
      await db.listen(request.channel, (payload) => reply({ id: 0, type: 'notification', channel: request.channel, payload }));
      return reply({ id: request.id, type: 'done' });
    case 'dump': {
      const blob = await db.dumpDataDir('none');
      return reply({ id: request.id, type: 'bytes', bytes: new Uint8Array(await blob.arrayBuffer()) });
    }
    case 'close':
      await db.close();
      reply({ id: request.id, type: 'done' });
      port?.close();
  }
}

// The pool above sends one statement at a time; a chain keeps that true even if it did not.
let chain: Promise<void> = Promise.resolve();
port.on('message', (request: WorkerRequest) => {
  chain = chain.then(() => handle(request)).catch((thrown: unknown) => reply({ id: request.id, type: 'error', ...describeError(thrown) }));
});
reply({ id: 0, type: 'ready' });
