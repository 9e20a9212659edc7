import type { Db } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';

/** Levels of age: every counted value is in exactly one row of one level. */
export type SketchLevel = 'minute' | 'hour' | 'day';

export const LEVEL_MS: Readonly<Record<SketchLevel, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** Replica number of rows that hold what several replicas counted. */
export const ALL_REPLICAS = -1;

/** Tells totals from rows while both are read; none is stored under it. */
const TOTAL_REPLICA = -2;

/** Whose sketch of which time: one row each. */
export interface SketchSlot {
  readonly project: string;
  readonly release: string;
  readonly revision: number;
  readonly level: SketchLevel;
  readonly startMs: number;
  readonly replica: number;
}

const Named = z.object({ field: z.string(), sketch: z.string() });

/** The slot's sketches as JSON text by field, locked until the transaction ends. */
export async function lockSlot(tx: Db, slot: SketchSlot): Promise<Map<string, string>> {
  const { rows } = await sql`select field, sketch from telemetry_sketch
    where project = ${slot.project} and release = ${slot.release} and revision = ${slot.revision}
      and level = ${slot.level} and start_ms = ${slot.startMs} and replica = ${slot.replica}
    order by field for update`.execute(tx);
  return new Map(
    z
      .array(Named)
      .parse(rows)
      .map((row) => [row.field, row.sketch]),
  );
}

const ROWS_PER_STATEMENT = 50;

export async function saveSlot(tx: Db, slot: SketchSlot, sketches: ReadonlyMap<string, string>): Promise<void> {
  const entries = [...sketches];
  for (let start = 0; start < entries.length; start += ROWS_PER_STATEMENT) {
    const part = entries.slice(start, start + ROWS_PER_STATEMENT);
    const fields = part.map(([field]) => field);
    const texts = part.map(([, text]) => text);
    await sql`insert into telemetry_sketch (project, release, revision, field, level, start_ms, replica, sketch)
      select ${slot.project}, ${slot.release}, ${slot.revision}::integer, field, ${slot.level}, ${slot.startMs}::bigint,
        ${slot.replica}::integer, sketch
      from unnest(${fields}::text[], ${texts}::text[]) as entry(field, sketch)
      on conflict (project, release, revision, field, level, start_ms, replica) do update set sketch = excluded.sketch`.execute(tx);
  }
}

export interface SketchWindow {
  readonly project: string;
  readonly release: string;
  readonly revision?: number | undefined;
  readonly fromMs: number;
  readonly toMs: number;
}

const END_MS = sql`start_ms + case level when 'minute' then 60000 when 'hour' then 3600000 else 86400000 end`;

/**
 * What a window is merged from: rows that overlap it, whatever their level; a closed hour or day that lies in it whole is one row,
 * its total. One statement, so that a total and the rows it stands for are never both seen, nor neither.
 */
function inWindow(window: SketchWindow) {
  const ofRelease = sql`project = ${window.project} and release = ${window.release}
    ${window.revision === undefined ? sql`` : sql`and revision = ${window.revision}`}`;
  return sql`with total as materialized (
      select revision, field, start_ms, ${END_MS} as end_ms, ${TOTAL_REPLICA}::integer as replica, sketch from telemetry_sketch_total
      where ${ofRelease} and start_ms >= ${window.fromMs} and ${END_MS} <= ${window.toMs}),
    part as (
      select revision, field, start_ms, ${END_MS} as end_ms, replica, sketch from telemetry_sketch
      where ${ofRelease} and start_ms < ${window.toMs} and ${END_MS} > ${window.fromMs}
      union all select * from total),
    needed as (
      select * from part where not exists (select 1 from total
        where total.field = part.field and total.revision = part.revision
          and total.start_ms <= part.start_ms and total.end_ms >= part.end_ms
          and (part.replica <> ${TOTAL_REPLICA} or total.end_ms - total.start_ms > part.end_ms - part.start_ms)))`;
}

/** How many rows each field has in the window. */
export async function countSketches(db: Db, window: SketchWindow): Promise<Map<string, number>> {
  const { rows } = await sql`${inWindow(window)} select field, count(*) as count from needed group by field order by field`.execute(db);
  const parsed = z.array(z.object({ field: z.string(), count: z.coerce.number() })).parse(rows);
  return new Map(parsed.map((row) => [row.field, row.count]));
}

/** The sketches of some fields in the window as JSON text, the oldest first. */
export async function readSketches(db: Db, window: SketchWindow, fields: readonly string[], limit: number): Promise<Map<string, string[]>> {
  const { rows } = await sql<{ field: string; sketch: string }>`${inWindow(window)} select field, sketch from needed
    where field = any(${fields}::text[]) order by field, start_ms, revision, replica limit ${limit}`.execute(db);
  const found = new Map<string, string[]>();
  for (const { field, sketch } of rows) {
    const texts = found.get(field);
    if (texts) texts.push(sketch);
    else found.set(field, [sketch]);
  }
  return found;
}

/** What becomes one coarser row. */
export interface RollUpGroup {
  readonly project: string;
  readonly release: string;
  readonly revision: number;
  readonly field: string;
  readonly startMs: number;
}

const RollUpRow = z
  .object({ project: z.string(), release: z.string(), revision: z.coerce.number(), field: z.string(), start_ms: z.coerce.number() })
  .transform(({ start_ms, ...row }) => ({ ...row, startMs: start_ms }));

/** Groups of rows of a level, older than `beforeMs`, that belong into one row of the next level. */
export async function listRollUps(
  db: Db,
  options: { readonly from: SketchLevel; readonly to: SketchLevel; readonly beforeMs: number; readonly limit: number },
): Promise<RollUpGroup[]> {
  const width = LEVEL_MS[options.to];
  const { rows } = await sql`select project, release, revision, field, (start_ms / ${width}::bigint) * ${width}::bigint as start_ms
    from telemetry_sketch where level = ${options.from} and start_ms < ${options.beforeMs}
    group by 1, 2, 3, 4, 5 order by 5, 1, 2, 3, 4 limit ${options.limit}`.execute(db);
  return z.array(RollUpRow).parse(rows);
}

/**
 * Takes a group's rows out of the store, with the coarser row they belong to; the caller saves the merged one in the
 * same transaction. @returns the sketches as JSON text.
 */
export async function takeRollUp(tx: Db, group: RollUpGroup, from: SketchLevel, to: SketchLevel): Promise<string[]> {
  const end = group.startMs + LEVEL_MS[to];
  const { rows } = await sql<{ sketch: string }>`delete from telemetry_sketch
    where project = ${group.project} and release = ${group.release} and revision = ${group.revision} and field = ${group.field}
      and ((level = ${from} and start_ms >= ${group.startMs} and start_ms < ${end})
        or (level = ${to} and start_ms = ${group.startMs} and replica = ${ALL_REPLICAS}))
    returning sketch`.execute(tx);
  return rows.map((row) => row.sketch);
}
