import { breathe, toRfc3339 } from '@slipway/kernel';
import type { Pair } from '@slipway/telemetry';
import type { QualityWindow } from '../contract.ts';
import { QUALITY_WINDOWS_COUNT } from '../limits.ts';
import { type PredictionTask, measureQuality } from './quality.ts';

/**
 * Quality by the time of the calls, in equal parts of a window. A late label changes the part that its call belongs to, and the
 * same outcomes give the same numbers to the last bit, in whatever order they came: rows are put in the order of their ids.
 * `delayMs` is the median time from call to outcome.
 */
export async function qualityWindows(
  pairs: readonly Pair[],
  task: PredictionTask,
  window: { readonly fromMs: number; readonly toMs: number; readonly parts?: number },
): Promise<QualityWindow[]> {
  const { fromMs, toMs, parts = QUALITY_WINDOWS_COUNT } = window;
  const lengthMs = (toMs - fromMs) / parts;
  const byPart = Map.groupBy(pairs, (pair) => Math.floor((pair.eventTimeMs - fromMs) / lengthMs));
  const windows: QualityWindow[] = [];
  for (let part = 0; part < parts; part += 1) {
    const own = (byPart.get(part) ?? []).toSorted((a, b) => (a.invocation < b.invocation ? -1 : 1));
    windows.push({
      from: toRfc3339(Math.round(fromMs + part * lengthMs)),
      to: toRfc3339(Math.round(fromMs + (part + 1) * lengthMs)),
      delayMs: medianDelay(own),
      ...measureQuality(own, task),
    });
    await breathe();
  }
  return windows;
}

function medianDelay(pairs: readonly Pair[]): number | null {
  const delays = pairs.map((pair) => pair.outcomeEventTimeMs - pair.eventTimeMs).toSorted((a, b) => a - b);
  return delays[delays.length >> 1] ?? null;
}
