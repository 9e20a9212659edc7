import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { MetricsRegistry } from './metrics-registry.ts';

const RESOLUTION_MS = 10;

/**
 * Memory, processor time and event-loop delay of this process. The delay is measured from one rendering to the next.
 * @returns stops the measuring.
 */
export function registerProcessMetrics(registry: MetricsRegistry): () => void {
  const resident = registry.gauge({ name: 'process_resident_memory_bytes', help: 'Resident memory of the process.' })();
  const heap = registry.gauge({ name: 'slipway_heap_used_bytes', help: 'JavaScript heap in use.' })();
  const cpu = registry.counter({ name: 'process_cpu_seconds_total', help: 'User and system processor time of the process.' })();
  const started = registry.gauge({ name: 'process_start_time_seconds', help: 'Start of the process since 1970-01-01.' })();
  const delay = registry.gauge({
    name: 'slipway_event_loop_delay_seconds',
    help: 'How late timers ran since the last reading, beyond their resolution.',
    // `quantile` is reserved for summaries.
    labels: ['percentile'],
  });
  const quantiles = [50, 99, 100].map((percent) => ({ percent, gauge: delay({ percentile: String(percent) }) }));
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  started.set(performance.timeOrigin / 1000);
  let seenCpuSeconds = 0;
  registry.onRender(() => {
    const memory = process.memoryUsage();
    resident.set(memory.rss);
    heap.set(memory.heapUsed);
    const { user, system } = process.cpuUsage();
    const cpuSeconds = (user + system) / 1e6;
    cpu.add(cpuSeconds - seenCpuSeconds);
    seenCpuSeconds = cpuSeconds;
    for (const { percent, gauge } of quantiles) {
      const nanoseconds = histogram.count === 0 ? 0 : histogram.percentile(percent);
      gauge.set(Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1000));
    }
    histogram.reset();
  });
  return () => void histogram.disable();
}
