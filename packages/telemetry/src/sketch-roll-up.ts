import type { Records } from '@slipway/records';
import { FieldSketch } from '@slipway/statistics';
import { ROLL_UP_GROUPS_LIMIT, SKETCH_HOURS_KEPT_MS, SKETCH_MINUTES_KEPT_MS, SKETCH_TOTAL_AFTER_MS } from './limits.ts';
import { mergeTexts } from './sketch-recorder.ts';
import { ALL_REPLICAS, LEVEL_MS, type RollUpGroup, type SketchLevel, listRollUps, saveSlot, takeRollUp } from './sketch-store.ts';
import { type TotalLevel, listMissingTotals, lockForTotals, readUnit, replaceByTotal, saveTotal } from './sketch-total-store.ts';

/**
 * Turns old minutes into hours and old hours into days, one field of one revision a transaction. What is late comes as a
 * minute again and is added by a later pass. @returns how many groups were rolled up.
 */
export async function rollUpSketches(records: Records, nowMs: number, signal?: AbortSignal): Promise<number> {
  const minutes = await rollUpLevel(records, 'minute', 'hour', nowMs - SKETCH_MINUTES_KEPT_MS, signal);
  const hours = await rollUpLevel(records, 'hour', 'day', nowMs - SKETCH_HOURS_KEPT_MS, signal);
  const totals = await makeTotals(records, 'hour', nowMs, nowMs - SKETCH_MINUTES_KEPT_MS, signal);
  return minutes + hours + totals + (await makeTotals(records, 'day', nowMs, nowMs - SKETCH_HOURS_KEPT_MS, signal));
}

/**
 * Merges closed hours and days into one sketch each while their rows are kept, so that a question about weeks reads days. The total of
 * a unit is dropped by whoever writes into its time, and made again here.
 */
async function makeTotals(
  records: Records,
  level: TotalLevel,
  nowMs: number,
  keptFromMs: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const width = LEVEL_MS[level];
  const wholeUnit = (timeMs: number) => Math.floor(timeMs / width) * width;
  const range = { fromMs: wholeUnit(keptFromMs), toMs: wholeUnit(nowMs - SKETCH_TOTAL_AFTER_MS) };
  const units = await listMissingTotals(records.db, { level, ...range, limit: ROLL_UP_GROUPS_LIMIT });
  let done = 0;
  for (const unit of units) {
    if (signal?.aborted) break;
    await records.transaction(async (tx) => {
      await lockForTotals(tx, unit);
      const merged = new Map<string, FieldSketch>();
      await mergeTexts(merged, unit.field, await readUnit(tx, unit, level));
      const sketch = merged.get(unit.field);
      if (sketch) await saveTotal(tx, unit, level, JSON.stringify(sketch.toJson()));
    });
    done += 1;
  }
  return done;
}

async function rollUpLevel(
  records: Records,
  from: SketchLevel,
  to: TotalLevel,
  keptFromMs: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  // Whole units only, so that a row is not rewritten every minute while its hour passes out of the kept range.
  const width = LEVEL_MS[to];
  const beforeMs = Math.floor(keptFromMs / width) * width;
  const groups = await listRollUps(records.db, { from, to, beforeMs, limit: ROLL_UP_GROUPS_LIMIT });
  let done = 0;
  for (const group of groups) {
    if (signal?.aborted) break;
    await rollUpGroup(records, group, from, to);
    done += 1;
  }
  return done;
}

async function rollUpGroup(records: Records, group: RollUpGroup, from: SketchLevel, to: TotalLevel): Promise<void> {
  await records.transaction(async (tx) => {
    await lockForTotals(tx, group);
    if (await replaceByTotal(tx, group, to, ALL_REPLICAS)) return;
    const merged = new Map<string, FieldSketch>();
    await mergeTexts(merged, group.field, await takeRollUp(tx, group, from, to));
    const sketch = merged.get(group.field);
    if (!sketch) return;
    const { project, release, revision, startMs } = group;
    const slot = { project, release, revision, level: to, startMs, replica: ALL_REPLICAS };
    await saveSlot(tx, slot, new Map([[group.field, JSON.stringify(sketch.toJson())]]));
  });
}
