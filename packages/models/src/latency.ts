import type { Row } from '@slipway/kernel';
import type { OnnxModel } from './model.ts';

export interface LatencyResult {
  /** Milliseconds of one-row calls, encoding included. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly calls: number;
}

/** Calls that only warm caches and are not counted. */
const WARM_UP_CALLS = 20;
/** Most counted calls. */
export const LATENCY_CALL_LIMIT = 100_000;

/** Measures one-row calls, one after the other, over the given rows in turn. @throws {RangeError} without rows. */
export async function measureLatency(
  model: Pick<OnnxModel, 'predictRows'>,
  rows: readonly Row[],
  { repeats = 500 }: { readonly repeats?: number } = {},
): Promise<LatencyResult> {
  if (rows.length === 0) throw new RangeError('measuring latency needs at least one row');
  const calls = Math.min(Math.max(1, Math.floor(repeats)), LATENCY_CALL_LIMIT);
  const times = new Float64Array(calls);
  for (let call = -Math.min(WARM_UP_CALLS, calls); call < calls; call += 1) {
    const row = rows[Math.abs(call) % rows.length] as Row;
    const startedMs = performance.now();
    await model.predictRows([row]);
    if (call >= 0) times[call] = performance.now() - startedMs;
  }
  times.sort();
  const at = (ratio: number) => times[Math.min(calls - 1, Math.floor(ratio * calls))] as number;
  return { p50Ms: at(0.5), p95Ms: at(0.95), calls };
}
