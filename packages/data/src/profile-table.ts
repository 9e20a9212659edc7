import type { ColumnProfile, NumberSummary, Profile, TopValue } from './contract.ts';
import { type Session, quoteName, quoteText } from './engine.ts';
import { isText } from './rows-hash.ts';
import type { CanonicalColumn } from './write-canonical.ts';

/** Shares at which quantiles are reported. */
export const QUANTILE_SHARES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99] as const;
/** Distinct values are counted exactly up to this many rows, by HyperLogLog beyond. */
export const EXACT_DISTINCT_ROW_LIMIT = 1_000_000;
/** Values seen less often are left out of the top values: they could identify a person. */
export const RARE_VALUE_MIN = 5;
export const TOP_VALUE_LIMIT = 20;
/** Quantiles of longer tables are taken from about QUANTILE_SAMPLE_ROWS rows, the same ones every time. */
export const QUANTILE_ROW_LIMIT = 200_000;
const QUANTILE_SAMPLE_ROWS = 100_000;
/** Columns whose summaries share one scan of the file, and their cells: distinct counts and quantiles hold them in memory. */
const BATCH_COLUMNS = 32;
const BATCH_CELLS = 4_000_000;

interface Table {
  readonly path: string;
  readonly rows: number;
  readonly columns: readonly CanonicalColumn[];
}

/** Where a batch of columns is read: SQL that yields them and their `file_row_number`. */
interface Batch {
  readonly from: string;
  readonly rows: number;
}

/** Reading a wide file costs DuckDB a look at every column of it, query by query; beyond this many, a batch is copied out first. */
const WIDE_COLUMNS = 100;

/** Describes every column of a canonical Parquet file: types, missing values, distinct values, moments, quantiles, top values, lengths. */
export async function profileTable(session: Session, table: Table): Promise<Profile> {
  const columns: ColumnProfile[] = [];
  const size = Math.max(1, Math.min(BATCH_COLUMNS, Math.floor(BATCH_CELLS / Math.max(1, table.rows))));
  for (let start = 0; start < table.columns.length; start += size) {
    const batch = table.columns.slice(start, start + size);
    const source = await batchOf(session, table, batch);
    const list = batch.map((column, index) => summarySql(column, `s${index}`, table.rows)).join(', ');
    const [row] = await session.rows(`select ${list} from ${source.from}`);
    for (const [index, column] of batch.entries()) {
      columns.push(await finishColumn(session, source, column, row?.[`s${index}`] as Summary));
    }
  }
  if (table.columns.length > WIDE_COLUMNS) await session.run('drop table if exists profile_batch');
  return { format: 'slipway.profile/1', rows: table.rows, duplicateRows: await countDuplicates(session, table), columns };
}

async function batchOf(session: Session, table: Table, batch: readonly CanonicalColumn[]): Promise<Batch> {
  const file = `read_parquet(${quoteText(table.path)}, file_row_number = true)`;
  if (table.columns.length <= WIDE_COLUMNS) return { from: file, rows: table.rows };
  const names = batch.map((column) => quoteName(column.name)).join(', ');
  await session.run(`create or replace temp table profile_batch as select ${names}, file_row_number from ${file}`);
  return { from: 'profile_batch', rows: table.rows };
}

interface Summary {
  readonly present: number;
  readonly distinct: number;
  readonly minimum?: number | null;
  readonly maximum?: number | null;
  readonly mean?: number | null;
  readonly deviation?: number | null;
  readonly quantiles?: readonly number[] | null;
  readonly words?: number | null;
}

/** A column as doubles: times as milliseconds, booleans as 0 and 1. */
export function numberSql(column: { readonly name: string; readonly type: string }): string {
  const name = quoteName(column.name);
  if (column.type === 'timestamp') return `epoch_ms(${name})::double`;
  return column.type === 'boolean' ? `${name}::int::double` : `${name}::double`;
}

function summarySql(column: CanonicalColumn, alias: string, rows: number): string {
  const name = quoteName(column.name);
  // Texts are counted by a 64-bit hash, so that long ones need not all lie in memory.
  const counted = isText(column.type) ? `hash(${name})` : name;
  const present = isText(column.type) ? ` filter (${name} is not null)` : '';
  const distinct = rows <= EXACT_DISTINCT_ROW_LIMIT ? `count(distinct ${counted})${present}` : `approx_count_distinct(${name})`;
  const fields = [`'present': count(${name})::double`, `'distinct': ${distinct}::double`];
  if (isText(column.type)) {
    fields.push(
      `'minimum': min(length(${name}))::double`,
      `'maximum': max(length(${name}))::double`,
      `'mean': avg(length(${name}))`,
      // Words by their separators: exact enough to tell sentences from labels, and needs no list in memory.
      `'words': avg(1 + length(${name}) - length(replace(${name}, ' ', '')))`,
    );
  } else {
    const number = numberSql(column);
    fields.push(`'minimum': min(${number})`, `'maximum': max(${number})`);
    // Sums of huge doubles overflow: the mean is taken of scaled values then, and the deviation, which DuckDB refuses, is left out.
    fields.push(
      `'mean': case when max(abs(${number})) < 1e290 then avg(case when abs(${number}) < 1e290 then ${number} end) else avg(${number} / 1e12) * 1e12 end`,
      `'deviation': case when max(abs(${number})) < 1e150 then stddev_samp(case when abs(${number}) < 1e150 then ${number} end) end`,
    );
    fields.push(`'quantiles': quantile_cont(${number}, [${QUANTILE_SHARES.join(', ')}])${sampleFilter(rows)}`);
  }
  return `{${fields.join(', ')}} as ${alias}`;
}

/** Rows by Knuth's multiplicative hash of their position: evenly spread, no period of the data can fall in with it, and repeatable. */
function sampleFilter(rows: number): string {
  if (rows <= QUANTILE_ROW_LIMIT) return '';
  const share = Math.floor((QUANTILE_SAMPLE_ROWS / rows) * 4_294_967_296);
  return ` filter ((file_row_number * 2654435761) % 4294967296 < ${share})`;
}

async function finishColumn(session: Session, table: Batch, column: CanonicalColumn, summary: Summary): Promise<ColumnProfile> {
  const { rows } = table;
  const present = Number(summary.present);
  const distinct = Number(summary.distinct);
  const text = isText(column.type);
  const top = await topValues(session, table, column, { distinct, present });
  return {
    name: column.name,
    type: column.type,
    missing: rows - present,
    markers: { ...column.markers },
    distinct,
    distinctIsExact: rows <= EXACT_DISTINCT_ROW_LIMIT,
    constant: distinct <= 1,
    sequence: await isSequence(session, table, column, { distinct, present }),
    numbers: text || present === 0 ? null : numbersOf(summary),
    lengths: text && present > 0 ? { minimum: summary.minimum ?? 0, maximum: summary.maximum ?? 0, mean: summary.mean ?? 0 } : null,
    words: text && present > 0 ? (summary.words ?? 0) : null,
    top: top.values,
    rareSuppressed: top.suppressed,
  };
}

function numbersOf(summary: Summary): NumberSummary {
  const minimum = summary.minimum ?? 0;
  const maximum = summary.maximum ?? 0;
  return {
    minimum,
    maximum,
    mean: summary.mean ?? 0,
    deviation: summary.deviation ?? null,
    quantiles: (summary.quantiles ?? []).map((quantile) => clamp(quantile, minimum, maximum)),
  };
}

/** Interpolating between huge doubles of both signs overflows, which arrives as a text. */
function clamp(value: unknown, minimum: number, maximum: number): number {
  const number = Number(value);
  if (Number.isNaN(number)) return (minimum + maximum) / 2;
  return Math.min(maximum, Math.max(minimum, number));
}

interface Counts {
  readonly distinct: number;
  readonly present: number;
}

/** Top values make sense for texts, booleans and whole numbers that repeat; unique ones are skipped without a scan. */
async function topValues(
  session: Session,
  table: Batch,
  column: CanonicalColumn,
  counts: Counts,
): Promise<{ values: TopValue[]; suppressed: boolean }> {
  const counted = column.type === 'string' || column.type === 'boolean' || column.type === 'int64';
  if (!counted || counts.distinct === 0) return { values: [], suppressed: false };
  if (counts.distinct === counts.present || counts.present < RARE_VALUE_MIN) return { values: [], suppressed: true };
  const name = quoteName(column.name);
  const rows = await session.rows(
    `select ${name}::varchar as value, count(*)::double as n from ${table.from}
      where ${name} is not null group by 1 having count(*) >= ${RARE_VALUE_MIN} order by n desc, value limit ${TOP_VALUE_LIMIT}`,
  );
  const values = rows.map((row) => ({ value: String(row['value']).slice(0, 200), count: Number(row['n']) }));
  const suppressed = values.length < TOP_VALUE_LIMIT && values.length < counts.distinct;
  return { values, suppressed };
}

/** Whole numbers with one step from row to row, or some order of n consecutive ones: row numbers under any name. */
async function isSequence(session: Session, table: Batch, column: CanonicalColumn, counts: Counts): Promise<boolean> {
  if (column.type !== 'int64' || counts.present !== table.rows || table.rows < 3 || counts.distinct < 0.95 * table.rows) return false;
  const name = quoteName(column.name);
  const [row] = await session.rows(
    `select min(step)::double as low, max(step)::double as high, any_value(span)::double as span from (
      select v - lag(v) over (order by row) as step, max(v) over () - min(v) over () as span from (
        select ${name}::hugeint as v, file_row_number as row from ${table.from}))`,
  );
  const oneStep = row?.['low'] === row?.['high'] && row?.['low'] !== 0;
  return oneStep || (counts.distinct === table.rows && row?.['span'] === table.rows - 1);
}

/** Rows equal to an earlier one, by a 64-bit hash of all columns: among a million rows a false match has odds of 1 in 37 million. */
async function countDuplicates(session: Session, table: Table): Promise<number> {
  const list = table.columns.map((column) => quoteName(column.name)).join(', ');
  const [row] = await session.rows(
    `select (count(*) - count(distinct h))::double as n from (select hash(${list}) as h from read_parquet(${quoteText(table.path)}))`,
  );
  return Number(row?.['n'] ?? 0);
}
