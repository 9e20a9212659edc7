import { tmpdir } from 'node:os';
import { MetricsRegistry } from '@slipway/telemetry';
import { expect, test } from 'vitest';
import { ResourceLimits, type ResourceUse, type ResourceVerdict, judgeResources } from './judge-resources.ts';
import { watchResources } from './watch-resources.ts';

const limits = ResourceLimits.parse({});
const WELL: ResourceUse = { memory: 0.3, heap: 0.2, loop: 2, disk: 50e9, backlog: 0 };
const verdicts = (use: Partial<ResourceUse>, before: Record<string, ResourceVerdict> = {}) =>
  Object.fromEntries(
    judgeResources({ ...WELL, ...use }, limits, new Map(Object.entries(before)) as never).map((each) => [each.resource, each.verdict]),
  );

test('MO92 each resource has two bounds of its own; of the disk less is worse', () => {
  expect(Object.values(verdicts({}))).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
  expect(verdicts({ memory: 0.8, heap: 0.92, loop: 50, disk: 2e8, backlog: 1.99e9 })).toEqual({
    memory: 'warn',
    heap: 'alert',
    loop: 'warn',
    disk: 'alert',
    backlog: 'ok',
  });
  expect(verdicts({ memory: 0.799, disk: 2.01e9 })).toMatchObject({ memory: 'ok', disk: 'ok' });
});

test('MO93 what swings around a bound keeps its verdict until it is a tenth better; what cannot be read keeps it, too', () => {
  let before: ResourceVerdict = 'ok';
  const seen = [0.79, 0.81, 0.78, 0.73, 0.71, 0.79].map(
    (memory) => (before = verdicts({ memory }, { memory: before })['memory'] as ResourceVerdict),
  );
  expect(seen).toEqual(['ok', 'warn', 'warn', 'warn', 'ok', 'ok']);
  expect(verdicts({ memory: 0.85 }, { memory: 'alert' })['memory']).toBe('alert');
  expect(verdicts({ memory: 0.8 }, { memory: 'alert' })['memory']).toBe('warn');
  expect(verdicts({ disk: 2.1e9 }, { disk: 'warn' })['disk']).toBe('warn');
  expect(verdicts({ disk: 2.3e9 }, { disk: 'warn' })['disk']).toBe('ok');
  expect(verdicts({ disk: null }, { disk: 'alert' })['disk']).toBe('alert');
});

test('MO94 a look is shown as metrics and becomes findings that say how much, from where on, and what helps', async () => {
  const metrics = new MetricsRegistry();
  const options = { directory: tmpdir(), replica: 3, backlogBytes: () => 0 };
  const watch = watchResources(metrics, options, async () => ({ ...WELL, disk: 1e9 }));
  expect(watch.findings(0)).toEqual([]);
  await watch.look();
  expect(watch.findings(0)).toMatchObject([
    {
      release: '(server 3)',
      kind: 'resource',
      about: 'disk',
      severity: 'warn',
      message: 'server 3: 1.0 GB are free where the home lies; a warning from 2.0 GB on',
      command: 'slipway doctor',
    },
  ]);
  expect(metrics.render()).toContain('slipway_resource_verdict{resource="disk"} 1');
  expect(metrics.render()).toContain('slipway_home_free_bytes 1000000000');
});

test('MO94 the process itself is read: every resource has a value, a busy loop shows, and a folder that is gone is no value', async () => {
  const watch = watchResources(new MetricsRegistry(), { directory: tmpdir(), replica: 0, backlogBytes: () => 7 });
  await watch.look();
  await new Promise((resolve) => setTimeout(resolve, 30));
  const until = performance.now() + 120;
  while (performance.now() < until);
  await new Promise((resolve) => setTimeout(resolve, 30));
  const states = new Map((await watch.look()).map((each) => [each.resource, each.value]));
  expect(states.get('memory')).toBeGreaterThan(0);
  expect(states.get('heap')).toBeGreaterThan(0);
  expect(states.get('loop')).toBeGreaterThan(50);
  expect(states.get('disk')).toBeGreaterThan(0);
  expect(states.get('backlog')).toBe(7);
  const gone = watchResources(new MetricsRegistry(), { directory: '/nowhere/at/all', replica: 0, backlogBytes: () => 0 });
  expect((await gone.look()).find((each) => each.resource === 'disk')?.value).toBeNull();
});
