import { sql } from 'kysely';
import { z } from 'zod';
import { BackupError } from './errors.ts';
import type { Records, Tx } from './records.ts';

/** Rows read and written at a time; bounds the memory of a backup whatever the size of a table. */
export const BACKUP_BATCH_ROWS = 500;
/** Schemas that belong to Slipway: its own tables and the workflow engine's. */
const SCHEMAS = ['public', 'dbos'];
/** Tables whose rows describe the schema itself, which the restoring program has already made. */
const SCHEMA_TABLES = new Set(['public.records_migration', 'dbos.dbos_migrations']);

/**
 * One line of a logical dump. Every value travels as PostgreSQL's own text, so a dump made by the embedded engine
 * restores into a server and the other way round, whatever their versions.
 */
export const DumpLine = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('table'), table: z.string(), columns: z.array(z.string()) }),
  z.strictObject({ type: z.literal('rows'), rows: z.array(z.array(z.string().nullable())) }),
  z.strictObject({ type: z.literal('sequence'), sequence: z.string(), value: z.string(), called: z.boolean() }),
  z.strictObject({ type: z.literal('migrations'), applied: z.array(z.string()) }),
]);
export type DumpLine = z.infer<typeof DumpLine>;

interface ColumnInfo {
  readonly name: string;
  readonly type: string;
}

interface TableInfo {
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly ColumnInfo[];
}

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
const qualified = (table: TableInfo) => `${quote(table.schema)}.${quote(table.table)}`;

/** Writes every table to `emit`, in one read-only transaction, so that the dump is one moment of the store. */
export async function dumpRecords(records: Records, emit: (line: DumpLine) => Promise<void>): Promise<{ tables: number; rows: number }> {
  let rowCount = 0;
  let tableCount = 0;
  await records.transaction(async (tx) => {
    await sql`set transaction isolation level repeatable read read only`.execute(tx);
    await emit({ type: 'migrations', applied: await appliedMigrations(tx) });
    for (const table of await listTables(tx)) {
      if (SCHEMA_TABLES.has(`${table.schema}.${table.table}`)) continue;
      await emit({ type: 'table', table: `${table.schema}.${table.table}`, columns: table.columns.map((column) => column.name) });
      tableCount += 1;
      rowCount += await dumpTable(tx, table, emit);
    }
    for (const line of await listSequences(tx)) await emit(line);
  });
  return { tables: tableCount, rows: rowCount };
}

async function dumpTable(tx: Tx, table: TableInfo, emit: (line: DumpLine) => Promise<void>): Promise<number> {
  const values = table.columns.map((column) => `${quote(column.name)}::text`).join(', ');
  await sql
    .raw(`declare slipway_dump no scroll cursor for select json_build_array(${values})::text as row from ${qualified(table)}`)
    .execute(tx);
  let count = 0;
  for (;;) {
    const { rows } = await sql.raw<{ row: string }>(`fetch ${BACKUP_BATCH_ROWS} from slipway_dump`).execute(tx);
    if (rows.length === 0) break;
    count += rows.length;
    await emit({ type: 'rows', rows: rows.map((each) => JSON.parse(each.row) as (string | null)[]) });
  }
  await sql`close slipway_dump`.execute(tx);
  return count;
}

/**
 * Fills an empty, migrated store from dump lines in one transaction: all of it or nothing. Tables are emptied first.
 * @throws {BackupError} when the dump names tables, columns or migrations that this program does not have.
 */
export async function restoreRecords(records: Records, lines: AsyncIterable<DumpLine>): Promise<{ tables: number; rows: number }> {
  return records.transaction(async (tx) => {
    const tables = await listTables(tx);
    const byName = new Map(tables.map((table) => [`${table.schema}.${table.table}`, table]));
    await relaxReferences(tx, tables);
    let current: { table: TableInfo; columns: readonly ColumnInfo[] } | undefined;
    let rowCount = 0;
    let tableCount = 0;
    for await (const line of lines) {
      if (line.type === 'migrations') await refuseUnknownMigrations(tx, line.applied);
      else if (line.type === 'table') {
        current = selectColumns(byName, line);
        tableCount += 1;
      } else if (line.type === 'sequence') {
        await sql`select setval(${line.sequence}::regclass, ${line.value}::bigint, ${line.called})`.execute(tx);
      } else if (current) {
        await insertRows(tx, current.table, current.columns, line.rows);
        rowCount += line.rows.length;
      } else throw new BackupError('The backup has rows before it names a table.');
    }
    await sql`set constraints all immediate`.execute(tx);
    return { tables: tableCount, rows: rowCount };
  });
}

/** Foreign keys wait until the end of the transaction, so tables may come in any order; then the old rows go. */
async function relaxReferences(tx: Tx, tables: readonly TableInfo[]): Promise<void> {
  const { rows } = await sql<{ name: string; table: string }>`select quote_ident(c.conname) as name, c.conrelid::regclass::text as table
    from pg_constraint c join pg_namespace n on n.oid = c.connamespace
    where c.contype = 'f' and not c.condeferrable and n.nspname = any(${SCHEMAS}::text[])`.execute(tx);
  for (const { name, table } of rows) await sql.raw(`alter table ${table} alter constraint ${name} deferrable`).execute(tx);
  await sql`set constraints all deferred`.execute(tx);
  const emptied = tables.filter((table) => !SCHEMA_TABLES.has(`${table.schema}.${table.table}`)).map(qualified);
  for (const table of emptied) await sql.raw(`delete from ${table}`).execute(tx);
}

async function refuseUnknownMigrations(tx: Tx, applied: readonly string[]): Promise<void> {
  const known = new Set(await appliedMigrations(tx));
  const unknown = applied.filter((migration) => !known.has(migration));
  if (unknown.length > 0) {
    throw new BackupError(`The backup was made by a newer Slipway: it has migrations this one lacks (${unknown.slice(0, 5).join(', ')}).`, {
      details: { migrations: unknown.slice(0, 100) },
      help: 'Install the version that made it, restore, then upgrade.',
    });
  }
}

function selectColumns(
  byName: ReadonlyMap<string, TableInfo>,
  line: DumpLine & { type: 'table' },
): { table: TableInfo; columns: readonly ColumnInfo[] } {
  const table = byName.get(line.table);
  if (!table) throw new BackupError(`The backup has a table "${line.table}" that this Slipway does not know.`);
  const columns = line.columns.map((name) => {
    const column = table.columns.find((each) => each.name === name);
    if (!column) throw new BackupError(`The backup has a column "${line.table}.${name}" that this Slipway does not know.`);
    return column;
  });
  return { table, columns };
}

async function insertRows(
  tx: Tx,
  table: TableInfo,
  columns: readonly ColumnInfo[],
  rows: readonly (readonly (string | null)[])[],
): Promise<void> {
  const names = columns.map((column) => quote(column.name)).join(', ');
  const values = columns.map((column, index) => `(r.value->>${index})::${column.type}`).join(', ');
  const statement = sql.raw(
    `insert into ${qualified(table)} (${names}) overriding system value select ${values} from jsonb_array_elements(`,
  );
  await sql`${statement}${JSON.stringify(rows)}::jsonb) as r(value)`.execute(tx);
}

async function appliedMigrations(tx: Tx): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`select capability || '/' || id as id from public.records_migration order by 1`.execute(tx);
  return rows.map((row) => row.id);
}

async function listTables(tx: Tx): Promise<TableInfo[]> {
  const { rows } = await sql<{ schema: string; table: string; columns: ColumnInfo[] }>`
    select n.nspname as schema, c.relname as table,
      json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum) as columns
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
    where c.relkind in ('r', 'p') and n.nspname = any(${SCHEMAS}::text[])
      and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    group by 1, 2 order by 1, 2`.execute(tx);
  return rows;
}

async function listSequences(tx: Tx): Promise<DumpLine[]> {
  const { rows } = await sql<{ name: string; value: string | null }>`
    select quote_ident(schemaname) || '.' || quote_ident(sequencename) as name, last_value::text as value
    from pg_sequences where schemaname = any(${SCHEMAS}::text[]) order by 1`.execute(tx);
  return rows.flatMap((row) =>
    row.value === null ? [] : [{ type: 'sequence' as const, sequence: row.name, value: row.value, called: true }],
  );
}
