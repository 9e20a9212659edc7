import type { Invocation, Outcome } from '@slipway/kernel';
import { Invocation as InvocationShape, Outcome as OutcomeShape } from '@slipway/kernel';
import { type EngineRow, literal } from './engine.ts';
import { LINE_LIMIT_CHARACTERS } from './limits.ts';
import type { SegmentKind } from './line.ts';

/** Columns of the Parquet segments: the names and order of the line, inputs and outputs as JSON text. */
const COLUMNS: Readonly<Record<SegmentKind, Readonly<Record<string, 'INTEGER' | 'BIGINT' | 'DOUBLE' | 'VARCHAR' | 'JSON'>>>> = {
  invocation: {
    schema: 'INTEGER',
    id: 'VARCHAR',
    requestId: 'VARCHAR',
    row: 'INTEGER',
    project: 'VARCHAR',
    release: 'VARCHAR',
    revision: 'INTEGER',
    version: 'VARCHAR',
    arm: 'VARCHAR',
    armProbability: 'DOUBLE',
    unit: 'VARCHAR',
    subject: 'VARCHAR',
    eventTimeMs: 'BIGINT',
    observedTimeMs: 'BIGINT',
    replica: 'INTEGER',
    principal: 'VARCHAR',
    status: 'VARCHAR',
    input: 'JSON',
    output: 'JSON',
    error: 'VARCHAR',
    run: 'VARCHAR',
    latencyMs: 'DOUBLE',
    costMicros: 'BIGINT',
    parent: 'VARCHAR',
    trace: 'VARCHAR',
  },
  outcome: {
    schema: 'INTEGER',
    invocation: 'VARCHAR',
    id: 'VARCHAR',
    project: 'VARCHAR',
    name: 'VARCHAR',
    value: 'JSON',
    source: 'VARCHAR',
    sourceRank: 'INTEGER',
    weight: 'DOUBLE',
    eventTimeMs: 'BIGINT',
    observedTimeMs: 'BIGINT',
    idempotencyKey: 'VARCHAR',
  },
};

/** Column that holds the invocation id, by which segments are ordered and found. */
export const KEY_COLUMN: Readonly<Record<SegmentKind, string>> = { invocation: 'id', outcome: 'invocation' };

/** Files that make up one relation: closed history as Parquet, the rest as lines. */
export interface RelationFiles {
  readonly parquet: readonly string[];
  readonly lines: readonly string[];
  /** No line is longer, when known. The engine sets aside twice that for each thread: with 64 MiB, half of what storing a segment cost. */
  readonly longestBytes?: number;
}

/** The rows of all the files as one SQL table expression; undefined when there is no file. */
export function relationSql(kind: SegmentKind, files: RelationFiles): string | undefined {
  const parts: string[] = [];
  if (files.parquet.length > 0) parts.push(`select ${columnList(kind)} from read_parquet(${list(files.parquet)})`);
  if (files.lines.length > 0) parts.push(`select ${columnList(kind, 'varchar')} from ${linesSql(kind, files)}`);
  return parts.length === 0 ? undefined : `(${parts.join(' union all ')})`;
}

/** An empty table of the same columns, so that joins need no special case. */
export function emptyRelationSql(kind: SegmentKind): string {
  const columns = Object.entries(COLUMNS[kind]).map(([name, type]) => `null::${type === 'JSON' ? 'VARCHAR' : type} as "${name}"`);
  return `(select ${columns.join(', ')} where false)`;
}

function columnList(kind: SegmentKind, jsonCast?: 'varchar'): string {
  return Object.entries(COLUMNS[kind])
    .map(([name, type]) => (type === 'JSON' && jsonCast ? `"${name}"::varchar as "${name}"` : `"${name}"`))
    .join(', ');
}

/** No line is assumed shorter than this: a file may have grown since it was measured. */
const LINE_MIN_BYTES = 1024 * 1024;

function linesSql(kind: SegmentKind, { lines, longestBytes = Number.POSITIVE_INFINITY }: RelationFiles): string {
  const columns = Object.entries(COLUMNS[kind]).map(([name, type]) => `${literal(name)}: ${literal(type)}`);
  const longest = Math.min(LINE_LIMIT_CHARACTERS * 4, Math.max(LINE_MIN_BYTES, longestBytes));
  const options = `format = 'newline_delimited', maximum_object_size = ${longest}`;
  return `read_json(${list(lines)}, columns = {${columns.join(', ')}}, ${options})`;
}

function list(paths: readonly string[]): string {
  return `[${paths.map(literal).join(', ')}]`;
}

/** Statement that writes a relation as one Parquet file, ordered by invocation so that a look-up reads one row group. */
export function writeParquetSql(kind: SegmentKind, relation: string, path: string, where = 'true'): string {
  const rows = `select * from ${relation} r where ${where} order by "${KEY_COLUMN[kind]}"`;
  return `copy (${rows}) to ${literal(path)} (format parquet, compression zstd, row_group_size 16384)`;
}

const number = (value: unknown): number => Number(value);
const json = (value: unknown): unknown => (value === null ? null : JSON.parse(String(value)));

/** An invocation from a row of its relation. */
export function toInvocation(row: EngineRow): Invocation {
  return InvocationShape.parse({
    ...row,
    eventTimeMs: number(row['eventTimeMs']),
    observedTimeMs: number(row['observedTimeMs']),
    costMicros: number(row['costMicros']),
    input: json(row['input']),
    output: json(row['output']),
  });
}

/** An outcome from a row of its relation. */
export function toOutcome(row: EngineRow): Outcome {
  return OutcomeShape.parse({
    ...row,
    value: json(row['value']),
    eventTimeMs: number(row['eventTimeMs']),
    observedTimeMs: number(row['observedTimeMs']),
  });
}
