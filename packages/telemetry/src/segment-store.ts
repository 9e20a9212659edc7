import { Field } from '@slipway/kernel';
import type { Db } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import type { SegmentKind } from './line.ts';

const SegmentRow = z
  .object({
    id: z.string(),
    project: z.string(),
    kind: z.enum(['invocation', 'outcome']),
    replica: z.coerce.number(),
    first_ms: z.coerce.number(),
    last_ms: z.coerce.number(),
    first_event_ms: z.coerce.number(),
    last_event_ms: z.coerce.number(),
    row_count: z.coerce.number(),
    size_bytes: z.coerce.number(),
    sha256: z.string(),
    created_ms: z.coerce.number(),
  })
  .transform((row) => ({
    id: row.id,
    project: row.project,
    kind: row.kind as SegmentKind,
    replica: row.replica,
    /** Range of the times inside its invocation ids. */
    firstMs: row.first_ms,
    lastMs: row.last_ms,
    /** Range of the callers' times. */
    firstEventMs: row.first_event_ms,
    lastEventMs: row.last_event_ms,
    rowCount: row.row_count,
    sizeBytes: row.size_bytes,
    sha256: row.sha256,
    createdMs: row.created_ms,
  }));

/** A segment that has become Parquet. */
export type StoredSegment = z.output<typeof SegmentRow>;

const columns = sql.raw(
  'id, project, kind, replica, first_ms, last_ms, first_event_ms, last_event_ms, row_count, size_bytes, sha256, created_ms',
);

export async function insertSegment(db: Db, segment: StoredSegment): Promise<void> {
  await sql`insert into telemetry_segment (${columns}) values (
    ${segment.id}, ${segment.project}, ${segment.kind}, ${segment.replica}, ${segment.firstMs}, ${segment.lastMs},
    ${segment.firstEventMs}, ${segment.lastEventMs}, ${segment.rowCount}, ${segment.sizeBytes}, ${segment.sha256},
    ${segment.createdMs})`.execute(db);
}

/** @returns how many of the segments were still there with these bytes. */
export async function deleteSegments(db: Db, project: string, segments: readonly StoredSegment[]): Promise<number> {
  const pairs = segments.map((segment) => `${segment.id} ${segment.sha256}`);
  const result = await sql`delete from telemetry_segment where project = ${project} and id || ' ' || sha256 = any(${pairs})`.execute(db);
  return Number(result.numAffectedRows ?? 0);
}

export interface SegmentRange {
  readonly project: string;
  readonly kind: SegmentKind;
  /** Times inside the ids. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** Callers' times, from inclusive, to exclusive. */
  readonly fromEventMs?: number | undefined;
  readonly toEventMs?: number | undefined;
}

/** Segments that may hold lines of the range, the latest first. */
export async function listSegments(
  db: Db,
  range: SegmentRange,
  page: { readonly after?: StoredSegment | undefined; readonly limit: number },
): Promise<StoredSegment[]> {
  const after = page.after ? sql`and (last_ms, id) < (${page.after.lastMs}, ${page.after.id})` : sql``;
  const { rows } = await sql`select ${columns} from telemetry_segment
    where project = ${range.project} and kind = ${range.kind}
      ${range.fromMs === undefined ? sql`` : sql`and last_ms >= ${range.fromMs}`}
      ${range.toMs === undefined ? sql`` : sql`and first_ms <= ${range.toMs}`}
      ${range.fromEventMs === undefined ? sql`` : sql`and last_event_ms >= ${range.fromEventMs}`}
      ${range.toEventMs === undefined ? sql`` : sql`and first_event_ms < ${range.toEventMs}`}
      ${after}
    order by last_ms desc, id desc limit ${page.limit}`.execute(db);
  return z.array(SegmentRow).parse(rows);
}

export interface SegmentPoint {
  readonly timeMs: number;
  readonly replica: number;
}

/** Segments that may hold lines about invocations made at these times by these replicas. */
export async function locateSegments(
  db: Db,
  project: string,
  kind: SegmentKind,
  points: readonly SegmentPoint[],
): Promise<StoredSegment[]> {
  const times = points.map((point) => String(point.timeMs));
  const replicas = points.map((point) => point.replica);
  // An outcome may be taken by another replica than the one that answered.
  const sameReplica = kind === 'invocation' ? sql`and s.replica = p.replica` : sql``;
  const { rows } = await sql`select ${columns} from telemetry_segment s
    where project = ${project} and kind = ${kind} and exists (
      select 1 from unnest(${times}::bigint[], ${replicas}::integer[]) as p(ms, replica)
      where s.first_ms <= p.ms and s.last_ms >= p.ms ${sameReplica})
    order by last_ms desc, id desc`.execute(db);
  return z.array(SegmentRow).parse(rows);
}

/** Which of these segments are Parquet already. */
export async function storedSegmentIds(db: Db, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const { rows } = await sql<{ id: string }>`select id from telemetry_segment where id = any(${[...ids]})`.execute(db);
  return new Set(rows.map((row) => row.id));
}

/** Small neighbours worth joining: of the kind with most of them first. */
export async function listSmallSegments(
  db: Db,
  options: { readonly replica: number; readonly belowBytes: number; readonly createdBeforeMs: number; readonly limit: number },
): Promise<StoredSegment[]> {
  const { rows } = await sql`with small as (
      select project, kind from telemetry_segment
      where replica = ${options.replica} and size_bytes < ${options.belowBytes} and created_ms < ${options.createdBeforeMs}
      group by project, kind having count(*) >= ${options.limit} order by count(*) desc, project, kind limit 1)
    select ${columns} from telemetry_segment s join small using (project, kind)
    where replica = ${options.replica} and size_bytes < ${options.belowBytes} and created_ms < ${options.createdBeforeMs}
    order by last_ms, id limit ${options.limit}`.execute(db);
  return z.array(SegmentRow).parse(rows);
}

const ProgressRow = z.object({ segment: z.string(), observed_bytes: z.coerce.number() });

/** How far the sketches had read each unfinished segment of a replica. */
export async function listProgress(db: Db, replica: number): Promise<Map<string, number>> {
  const { rows } = await sql`select segment, observed_bytes from telemetry_progress where replica = ${replica}`.execute(db);
  return toProgress(rows);
}

function toProgress(rows: readonly unknown[]): Map<string, number> {
  const parsed = z.array(ProgressRow).parse(rows);
  return new Map(parsed.map((row) => [row.segment, row.observed_bytes]));
}

/** As {@link listProgress}, for some segments of a project. */
export async function readProgress(db: Db, project: string, segments: readonly string[]): Promise<Map<string, number>> {
  const { rows } = await sql`select segment, observed_bytes from telemetry_progress
    where project = ${project} and segment = any(${[...segments]})`.execute(db);
  return toProgress(rows);
}

export async function saveProgress(db: Db, project: string, replica: number, progress: ReadonlyMap<string, number>): Promise<void> {
  for (const [segment, bytes] of progress) {
    await sql`insert into telemetry_progress (project, segment, replica, observed_bytes)
      values (${project}, ${segment}, ${replica}, ${bytes})
      on conflict (segment) do update set observed_bytes = excluded.observed_bytes`.execute(db);
  }
}

export async function deleteProgress(db: Db, project: string, segment: string): Promise<void> {
  await sql`delete from telemetry_progress where project = ${project} and segment = ${segment}`.execute(db);
}

/** Notes an object that must be deleted unless a segment comes to name it. */
export async function addGarbage(
  db: Db,
  entries: readonly { readonly project: string; readonly sha256: string; readonly replica: number; readonly createdMs: number }[],
): Promise<void> {
  for (const entry of entries) {
    await sql`insert into telemetry_garbage (project, sha256, replica, created_ms)
      values (${entry.project}, ${entry.sha256}, ${entry.replica}, ${entry.createdMs})
      on conflict (project, sha256) do nothing`.execute(db);
  }
}

export async function removeGarbage(db: Db, project: string, sha256: string): Promise<void> {
  await sql`delete from telemetry_garbage where project = ${project} and sha256 = ${sha256}`.execute(db);
}

export interface Garbage {
  readonly project: string;
  readonly sha256: string;
  /** True when a segment names the object, so that it must stay. */
  readonly used: boolean;
}

export async function listGarbage(db: Db, replica: number, limit: number): Promise<Garbage[]> {
  const { rows } = await sql<{ project: string; sha256: string; used: boolean }>`select g.project, g.sha256,
      exists (select 1 from telemetry_segment s where s.project = g.project and s.sha256 = g.sha256) as used
    from telemetry_garbage g where g.replica = ${replica} order by g.created_ms, g.sha256 limit ${limit}`.execute(db);
  return rows;
}

/** Keeps how a version's inputs are watched, for the reading of segments after a crash. */
export async function saveWatched(db: Db, project: string, version: string, fields: readonly Field[]): Promise<void> {
  await sql`insert into telemetry_version_fields (project, version, fields) values (${project}, ${version}, ${JSON.stringify(fields)})
    on conflict (project, version) do update set fields = excluded.fields`.execute(db);
}

/** The watched fields of a version; undefined when it was never described. */
export async function findWatched(db: Db, project: string, version: string): Promise<Field[] | undefined> {
  const { rows } = await sql<{ fields: string }>`select fields from telemetry_version_fields
    where project = ${project} and version = ${version}`.execute(db);
  const row = rows[0];
  return row ? z.array(Field).parse(JSON.parse(row.fields)) : undefined;
}
