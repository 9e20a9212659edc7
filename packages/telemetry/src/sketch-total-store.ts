import type { Db } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import { LEVEL_MS, type RollUpGroup, type SketchLevel, type SketchSlot, saveSlot } from './sketch-store.ts';

/** Units that have totals: those that finer rows can fill. */
export type TotalLevel = Exclude<SketchLevel, 'minute'>;

type Owner = Pick<SketchSlot, 'project' | 'release' | 'revision'>;

/** Only while nobody totals or rolls up this revision's sketches; many writers may at once. Freed at the end of the transaction. */
export async function lockForWriting(tx: Db, owner: Owner): Promise<void> {
  await sql`select pg_advisory_xact_lock_shared(hashtextextended(${lockName(owner)}, 0))`.execute(tx);
}

/** Only while nobody writes this revision's sketches. Freed at the end of the transaction. */
export async function lockForTotals(tx: Db, owner: Owner): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${lockName(owner)}, 0))`.execute(tx);
}

function lockName({ project, release, revision }: Owner): string {
  return `telemetry.sketches ${project} ${release} ${revision}`;
}

/** The totals of a minute's hour and day hold no more once something is written there. Call it with the lock for writing. */
export async function dropTotals(tx: Db, { project, release, revision, startMs }: Owner & { readonly startMs: number }): Promise<void> {
  const hourMs = Math.floor(startMs / LEVEL_MS.hour) * LEVEL_MS.hour;
  const dayMs = Math.floor(startMs / LEVEL_MS.day) * LEVEL_MS.day;
  await sql`delete from telemetry_sketch_total where project = ${project} and release = ${release} and revision = ${revision}
    and ((level = 'hour' and start_ms = ${hourMs}) or (level = 'day' and start_ms = ${dayMs}))`.execute(tx);
}

const MissingRow = z
  .object({ project: z.string(), release: z.string(), revision: z.coerce.number(), field: z.string(), start_ms: z.coerce.number() })
  .transform(({ start_ms, ...row }) => ({ ...row, startMs: start_ms }));

/** Units between two times (whole ones) that several rows share and that have no total. */
export async function listMissingTotals(
  db: Db,
  options: { readonly level: TotalLevel; readonly fromMs: number; readonly toMs: number; readonly limit: number },
): Promise<RollUpGroup[]> {
  const { level, fromMs, toMs, limit } = options;
  const width = LEVEL_MS[level];
  const { rows } = await sql`with unit as (
      select project, release, revision, field, (start_ms / ${width}::bigint) * ${width}::bigint as start_ms
      from telemetry_sketch where start_ms >= ${fromMs} and start_ms < ${toMs} and level in ('minute', 'hour')
      group by 1, 2, 3, 4, 5 having count(*) > 1)
    select * from unit where not exists (select 1 from telemetry_sketch_total total
      where total.project = unit.project and total.release = unit.release and total.revision = unit.revision
        and total.field = unit.field and total.level = ${level} and total.start_ms = unit.start_ms)
    order by start_ms, project, release, revision, field limit ${limit}`.execute(db);
  return z.array(MissingRow).parse(rows);
}

/** All rows of a unit as JSON text, the oldest first. */
export async function readUnit(tx: Db, unit: RollUpGroup, level: TotalLevel): Promise<string[]> {
  const { rows } = await sql<{ sketch: string }>`select sketch from telemetry_sketch where ${inUnit(unit, level)}
    order by start_ms, replica`.execute(tx);
  return rows.map((row) => row.sketch);
}

function inUnit({ project, release, revision, field, startMs }: RollUpGroup, level: TotalLevel) {
  return sql`project = ${project} and release = ${release} and revision = ${revision} and field = ${field}
    and start_ms >= ${startMs} and start_ms < ${startMs + LEVEL_MS[level]}`;
}

export async function saveTotal(tx: Db, unit: RollUpGroup, level: TotalLevel, sketch: string): Promise<void> {
  const { project, release, revision, field, startMs } = unit;
  await sql`insert into telemetry_sketch_total (project, release, revision, field, level, start_ms, sketch)
    values (${project}, ${release}, ${revision}, ${field}, ${level}, ${startMs}, ${sketch}) on conflict do nothing`.execute(tx);
}

/**
 * Puts a unit's total in the place of its rows, where there is one. Call it with the lock for totals.
 * @returns whether there was.
 */
export async function replaceByTotal(tx: Db, unit: RollUpGroup, level: TotalLevel, replica: number): Promise<boolean> {
  const { project, release, revision, field, startMs } = unit;
  const { rows } = await sql<{ sketch: string }>`delete from telemetry_sketch_total where project = ${project} and release = ${release}
    and revision = ${revision} and field = ${field} and level = ${level} and start_ms = ${startMs} returning sketch`.execute(tx);
  const [total] = rows;
  if (!total) return false;
  await sql`delete from telemetry_sketch where ${inUnit(unit, level)}`.execute(tx);
  await saveSlot(tx, { project, release, revision, level, startMs, replica }, new Map([[field, total.sketch]]));
  return true;
}
