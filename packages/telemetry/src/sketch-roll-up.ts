import type { Records } from '@slipway/records';
import { FieldSketch } from '@slipway/statistics';
import { ROLL_UP_GROUPS_LIMIT, SKETCH_HOURS_KEPT_MS, SKETCH_MINUTES_KEPT_MS } from './limits.ts';
import { mergeTexts } from './sketch-recorder.ts';
import { ALL_REPLICAS, type RollUpGroup, type SketchLevel, listRollUps, saveSlot, takeRollUp } from './sketch-store.ts';

/**
 * Turns old minutes into hours and old hours into days, one field of one revision a transaction. What is late comes as a
 * minute again and is added by a later pass. @returns how many groups were rolled up.
 */
export async function rollUpSketches(records: Records, nowMs: number, signal?: AbortSignal): Promise<number> {
  const minutes = await rollUpLevel(records, 'minute', 'hour', nowMs - SKETCH_MINUTES_KEPT_MS, signal);
  const hours = await rollUpLevel(records, 'hour', 'day', nowMs - SKETCH_HOURS_KEPT_MS, signal);
  return minutes + hours;
}

async function rollUpLevel(
  records: Records,
  from: SketchLevel,
  to: SketchLevel,
  keptFromMs: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  // Whole units only, so that a row is not rewritten every minute while its hour passes out of the kept range.
  const width = to === 'hour' ? 3_600_000 : 86_400_000;
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

async function rollUpGroup(records: Records, group: RollUpGroup, from: SketchLevel, to: SketchLevel): Promise<void> {
  await records.transaction(async (tx) => {
    const merged = new Map<string, FieldSketch>();
    await mergeTexts(merged, group.field, await takeRollUp(tx, group, from, to));
    const sketch = merged.get(group.field);
    if (!sketch) return;
    const { project, release, revision, startMs } = group;
    const slot = { project, release, revision, level: to, startMs, replica: ALL_REPLICAS };
    await saveSlot(tx, slot, new Map([[group.field, JSON.stringify(sketch.toJson())]]));
  });
}
