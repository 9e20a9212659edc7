import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { PART_CELLS_MAX, PART_CHARACTERS_MAX, type WorkerReply, type WorkerRequest } from './pglite-protocol.ts';

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

interface QueryResult {
  readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[];
  readonly rows: (string | null)[][];
  readonly affectedRows?: number | undefined;
}

let sendMore: () => void = () => {};

/** Sends the rows in parts that the other side takes in a few milliseconds each; the next goes when it is asked for. */
async function sendRows(id: number, { fields: columns, rows, affectedRows }: QueryResult): Promise<void> {
  const fields = columns.map(({ name, dataTypeID }) => ({ name, dataTypeID }));
  const affected = affectedRows ?? 0;
  for (let start = 0; ;) {
    const end = partEnd(rows, start);
    const partial = end < rows.length;
    const asked = partial ? new Promise<void>((resolve) => (sendMore = resolve)) : undefined;
    reply({ id, type: 'rows', fields, rows: partial || start > 0 ? rows.slice(start, end) : rows, affected, partial });
    if (!asked) return;
    await asked;
    start = end;
  }
}

/** Where the part that begins at `start` ends: after at least one row. */
function partEnd(rows: readonly (string | null)[][], start: number): number {
  let cells = 0;
  let characters = 0;
  let end = start;
  while (end < rows.length && cells < PART_CELLS_MAX && characters < PART_CHARACTERS_MAX) {
    const row = rows[end] as (string | null)[];
    cells += row.length + 1;
    for (const cell of row) characters += cell?.length ?? 0;
    end += 1;
  }
  return end;
}

async function handle(request: WorkerRequest): Promise<void> {
  switch (request.type) {
    case 'query': {
      const options = { rowMode: 'array' as const, parsers: asText, serializers: asText };
      const result = await db.query<unknown[]>(request.sql, request.params, options);
      return sendRows(request.id, { ...result, rows: result.rows as (string | null)[][] });
    }
    case 'more':
      return;
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
  if (request.type === 'more') return sendMore();
  chain = chain.then(() => handle(request)).catch((thrown: unknown) => reply({ id: request.id, type: 'error', ...describeError(thrown) }));
});
reply({ id: 0, type: 'ready' });
