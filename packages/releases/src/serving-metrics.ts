import { OverloadedError, type PlatformError } from '@slipway/kernel';
import type { MetricsRegistry } from '@slipway/telemetry';
import type { LoadedServable, UnloadReason } from './servable-cache.ts';

/** Upper bounds of rows in one run. */
const BATCH_BOUNDS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/** What is told to the metrics as it happens. */
export interface ServingMetrics {
  /** A call that was refused for the sake of the others; `project` and `release` are '' before they are known. */
  shed(error: PlatformError, call: { readonly project: string; readonly release: string }): void;
  /** One run of a model over the rows of one call or several. */
  ran(facts: { readonly rows: number }, lane: string): void;
  loaded(project: string): void;
  unloaded(reason: UnloadReason, project: string): void;
}

/** Counts what is loaded, what waits and what is refused. @param options.list what is in memory when somebody looks. */
export function registerServingMetrics(
  registry: MetricsRegistry,
  options: { readonly list: () => readonly LoadedServable[]; readonly memoryLimitBytes?: number | undefined },
): ServingMetrics {
  showLoaded(registry, options);
  const shed = registry.counter({
    name: 'slipway_calls_shed_total',
    help: 'Calls refused before they were computed or recorded, because too much was asked at once.',
    labels: ['project', 'release', 'reason'],
  });
  const batches = registry.histogram({
    name: 'slipway_model_batch_rows',
    help: 'Rows that one run of a model computed together.',
    labels: ['lane'],
    bounds: BATCH_BOUNDS,
  });
  const byLane = new Map<string, ReturnType<typeof batches>>();
  const loads = registry.counter({ name: 'slipway_model_loads_total', help: 'Versions loaded into memory.', labels: ['project'] });
  const unloads = registry.counter({
    name: 'slipway_model_unloads_total',
    help: 'Versions taken out of memory: for others (memory, count) or because somebody asked.',
    labels: ['project', 'reason'],
  });
  return {
    shed(error, { project, release }) {
      shed({ project, release, reason: error instanceof OverloadedError ? error.reason : 'deadline' }).add();
    },
    ran({ rows }, lane) {
      let series = byLane.get(lane);
      if (!series) byLane.set(lane, (series = batches({ lane })));
      series.observe(rows);
    },
    loaded: (project) => loads({ project }).add(),
    unloaded: (reason, project) => unloads({ project, reason }).add(),
  };
}

function showLoaded(
  registry: MetricsRegistry,
  { list, memoryLimitBytes }: { readonly list: () => readonly LoadedServable[]; readonly memoryLimitBytes?: number | undefined },
): void {
  const labels = ['project', 'release', 'revision'];
  const loaded = registry.gauge({ name: 'slipway_models_loaded', help: 'Versions in the memory of this process.', labels: ['project'] });
  const memory = registry.gauge({
    name: 'slipway_model_memory_bytes',
    help: 'What a loaded version holds, as measured when it was loaded.',
    labels,
  });
  const queued = registry.gauge({ name: 'slipway_model_queue_rows', help: 'Rows that wait for a version.', labels });
  const inFlight = registry.gauge({ name: 'slipway_model_calls', help: 'Calls that wait for a version or are computed by it.', labels });
  const limit = registry.gauge({ name: 'slipway_model_memory_limit_bytes', help: 'What loaded versions may hold together.' });
  if (memoryLimitBytes !== undefined) limit().set(memoryLimitBytes);
  /** Series that were shown before: what is gone is shown as zero. */
  const shown = new Map<string, readonly ReturnType<typeof memory>[]>();
  const counts = new Map<string, number>();
  registry.onRender(() => {
    for (const gauges of shown.values()) for (const gauge of gauges) gauge.set(0);
    for (const project of counts.keys()) counts.set(project, 0);
    for (const each of list()) {
      const { project, release } = each;
      counts.set(project, (counts.get(project) ?? 0) + 1);
      const key = `${project}/${release}@${each.revision}`;
      const series = { project, release, revision: String(each.revision) };
      const gauges = shown.get(key) ?? [memory(series), queued(series), inFlight(series)];
      shown.set(key, gauges);
      [each.memoryBytes, each.queuedRows, each.inFlight].forEach((value, at) => gauges[at]?.set(value));
    }
    for (const [project, count] of counts) loaded({ project }).set(count);
  });
}
