import { expect, test } from 'vitest';
import { METRIC_SERIES_LIMIT } from './limits.ts';
import { MetricsRegistry } from './metrics-registry.ts';
import { registerProcessMetrics } from './process-metrics.ts';

test('TL50 counters, gauges and histograms are rendered in the text format 0.0.4', () => {
  const registry = new MetricsRegistry();
  registry
    .counter({ name: 'slipway_calls_total', help: 'Calls\nof a \\ b.', labels: ['release'] })({ release: 'a"b\\c\nd' })
    .add(3);
  registry.gauge({ name: 'slipway_heat', help: 'Heat.' })().set(Number.NEGATIVE_INFINITY);
  const latency = registry.histogram({ name: 'slipway_wait_seconds', help: 'Wait.', labels: ['x'], bounds: [0.1, 1] })({ x: '1' });
  for (const value of [0.05, 0.1, 0.5, 7, Number.NaN]) latency.observe(value);
  expect(registry.render()).toBe(`# HELP slipway_calls_total Calls\\nof a \\\\ b.
# TYPE slipway_calls_total counter
slipway_calls_total{release="a\\"b\\\\c\\nd"} 3
# HELP slipway_heat Heat.
# TYPE slipway_heat gauge
slipway_heat -Inf
# HELP slipway_wait_seconds Wait.
# TYPE slipway_wait_seconds histogram
slipway_wait_seconds_bucket{x="1",le="0.1"} 2
slipway_wait_seconds_bucket{x="1",le="1"} 3
slipway_wait_seconds_bucket{x="1",le="+Inf"} 4
slipway_wait_seconds_sum{x="1"} 7.65
slipway_wait_seconds_count{x="1"} 4
`);
});

test('TL51 label values beyond the limit are counted together as other, of their own project', () => {
  const registry = new MetricsRegistry();
  const calls = registry.counter({ name: 'slipway_calls_total', help: 'Calls.', labels: ['project', 'release'] });
  for (let index = 0; index < METRIC_SERIES_LIMIT + 5; index += 1) calls({ project: 'alpha', release: `r${index}` }).add();
  calls({ project: 'beta', release: 'late' }).add();
  calls({ project: 'alpha', release: 'r0' }).add();
  const lines = registry.render('alpha').trim().split('\n');
  expect(lines).toHaveLength(2 + METRIC_SERIES_LIMIT + 1);
  expect(lines).toContain('slipway_calls_total{project="alpha",release="other"} 5');
  expect(lines).toContain('slipway_calls_total{project="alpha",release="r0"} 2');
  expect(registry.render('beta')).toContain('slipway_calls_total{project="beta",release="other"} 1');
});

test("TL52 another project's numbers are not shown, the process's are", () => {
  const registry = new MetricsRegistry();
  const calls = registry.counter({ name: 'slipway_calls_total', help: 'Calls.', labels: ['project'] });
  calls({ project: 'alpha' }).add();
  calls({ project: 'beta' }).add();
  const stop = registerProcessMetrics(registry);
  const shown = registry.render('alpha');
  expect(shown).toContain('project="alpha"');
  expect(shown).not.toContain('beta');
  expect(shown).toMatch(/\nprocess_resident_memory_bytes \d{7,}/);
  expect(shown).toMatch(/\nprocess_cpu_seconds_total \d/);
  expect(shown).toMatch(/\nslipway_event_loop_delay_seconds\{percentile="99"\} [\d.e-]+/);
  expect(registry.render()).toContain('beta');
  stop();
});

test('TL53 names and labels that a scraper would refuse are refused at registration', () => {
  const registry = new MetricsRegistry();
  registry.gauge({ name: 'slipway_a', help: '' });
  for (const bad of [
    () => registry.gauge({ name: 'slipway-b', help: '' }),
    () => registry.gauge({ name: 'slipway_a', help: '' }),
    () => registry.gauge({ name: 'slipway_c', help: '', labels: ['__x'] }),
    () => registry.histogram({ name: 'slipway_d', help: '', labels: ['le'], bounds: [1] }),
    () => registry.histogram({ name: 'slipway_e', help: '', bounds: [1, 1] }),
    () => registry.counter({ name: 'slipway_f', help: '', labels: ['a'] })({ b: '1' }),
  ]) {
    expect(bad).toThrow(RangeError);
  }
});
