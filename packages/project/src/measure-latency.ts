import type { Clock, Row, Servable } from '@slipway/kernel';

/** Measuring is nobody's call: models read only signal and deadline of its context. */
const NO_CONTEXT = {
  invocation: 'measuring',
  principal: undefined as never,
  deadlineMs: undefined,
  signal: undefined,
  traceparent: undefined,
  parts: new Map<string, never>(),
};

/** Single calls as production would make them, one after the other; the servable is closed afterwards. */
export async function measureLatency(
  clock: Pick<Clock, 'monotonicMs'>,
  servable: Servable<Row, unknown>,
  { calls, inputOf }: { readonly calls: number; readonly inputOf: (call: number) => Row },
): Promise<{ readonly p50Ms: number; readonly p95Ms: number }> {
  try {
    const times: number[] = [];
    for (let call = 0; call < calls; call += 1) {
      const input = inputOf(call);
      const startedMs = clock.monotonicMs();
      await servable.invoke([{ input, context: NO_CONTEXT }]);
      times.push(clock.monotonicMs() - startedMs);
    }
    times.sort((a, b) => a - b);
    return { p50Ms: times[Math.floor(calls / 2)] ?? 0, p95Ms: times[Math.floor(calls * 0.95)] ?? 0 };
  } finally {
    await servable.dispose?.();
  }
}
