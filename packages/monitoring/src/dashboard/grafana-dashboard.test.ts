import { MetricsRegistry } from '@slipway/telemetry';
import { expect, test } from 'vitest';
import { createMonitoring } from '../monitoring.ts';
import { GRAFANA_DASHBOARD } from './grafana-dashboard.ts';

/** What other rooms register; monitoring's own are read from a registry. */
const OTHERS = new Set([
  'slipway_invocations_total',
  'slipway_invocation_latency_seconds_bucket',
  'slipway_outcomes_total',
  'slipway_calls_shed_total',
  'slipway_model_queue_rows',
  'slipway_model_calls',
  'slipway_model_batch_rows_sum',
  'slipway_model_batch_rows_count',
  'slipway_model_memory_bytes',
  'slipway_model_memory_limit_bytes',
  'slipway_models_loaded',
  'slipway_model_loads_total',
  'slipway_model_unloads_total',
  'slipway_event_loop_delay_seconds',
  'process_resident_memory_bytes',
  'slipway_heap_used_bytes',
  'slipway_telemetry_pending_bytes',
]);

test('MO90 every panel asks for metrics that there are, and has a place of its own', () => {
  const registered: string[] = [];
  class Watching extends MetricsRegistry {
    override gauge(options: Parameters<MetricsRegistry['gauge']>[0]) {
      registered.push(options.name);
      return super.gauge(options);
    }
    override counter(options: Parameters<MetricsRegistry['counter']>[0]) {
      registered.push(options.name);
      return super.counter(options);
    }
  }
  createMonitoring({ metrics: new Watching() } as unknown as Parameters<typeof createMonitoring>[0]);
  const known = new Set([...OTHERS, ...registered]);
  const queries = GRAFANA_DASHBOARD.panels.flatMap((panel) => panel.targets.map((target) => target.expr));
  const asked = queries.flatMap((query) => query.match(/\b(?:slipway|process)_[a-z_]+/g) ?? []);
  expect(asked.length).toBeGreaterThanOrEqual(queries.length);
  expect(asked.filter((name) => !known.has(name))).toEqual([]);
  expect(registered.filter((name) => name !== 'slipway_monitor_verdict' && !asked.includes(name))).toEqual([]);
  const places = GRAFANA_DASHBOARD.panels.map(({ gridPos }) => `${gridPos.x}/${gridPos.y}`);
  expect(new Set(places).size).toBe(places.length);
});
