import { type Clock, Contract, NotFoundError, fixedClock } from '@slipway/kernel';
import { FieldSketch, createRandom } from '@slipway/statistics';
import { type TelemetryFixture, createTelemetryFixture, invocationMaker } from '@slipway/telemetry/testing';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { monitoringCapability } from './capability.ts';
import type { Monitoring } from './monitoring.ts';
import { MonitorReport, MonitorSettings } from './contract.ts';
import { ReferenceInvalidError, WindowInvalidError } from './errors.ts';
import { WINDOW_LIMIT_MS } from './limits.ts';
import { type MonitorPorts, monitor } from './monitor.ts';
import { readWindow } from './read-window.ts';
import { readReference } from './reference.ts';

const NOW_MS = Date.UTC(2026, 2, 1, 12);
const HOUR_MS = 3_600_000;
const clock: Clock = fixedClock(NOW_MS);
let fixture: TelemetryFixture;
let ports: MonitorPorts;

/** 300 calls an hour ago as trained, 300 now of other customers; half of them labelled. */
beforeAll(async () => {
  fixture = await createTelemetryFixture({ clock });
  const random = createRandom(1);
  const make = invocationMaker(clock);
  const ids: string[] = [];
  for (let index = 0; index < 600; index += 1) {
    const recent = index >= 300;
    const amount = random.normal() + (recent ? 2 : 0);
    const yes = random.next();
    const output = { prediction: yes > 0.5 ? 'yes' : 'no', probabilities: { no: 1 - yes, yes } };
    const call = make({
      input: { amount, plan: index % 2 === 0 ? 'basic' : 'plus' },
      output,
      eventTimeMs: recent ? NOW_MS : NOW_MS - 2 * HOUR_MS,
    });
    ids.push(call.id);
    await fixture.telemetry.append(call);
    if (index % 2 === 0)
      await fixture.telemetry.appendOutcomes('alpha', [{ invocation: call.id, value: random.next() < yes ? 'yes' : 'no' }]);
  }
  const reference = new FieldSketch('number');
  for (let index = 0; index < 5_000; index += 1) reference.update(random.normal());
  const stored: unknown = JSON.parse(JSON.stringify({ format: 'slipway.sketches/1', fields: { amount: reference.toJson() } }));
  ports = {
    async findRelease(project, name, revision = 1) {
      if (project !== 'alpha' || name !== 'churn') throw new NotFoundError(`There is no release "${name}".`);
      return {
        release: name,
        revision,
        version: `mv_${revision}`,
        task: 'binary',
        classes: ['no', 'yes'],
        positive: 'yes',
        sensitive: ['plan'],
      };
    },
    loadReference: async (_project, version) => (version === 'mv_1' ? readReference(stored) : undefined),
    loadContract: async () => undefined,
    loadRows: async () => undefined,
    telemetry: fixture.telemetry,
    clock,
  };
});
afterAll(() => fixture.close());

test('MO20 the hour that is like the training data is ok, the one that is not has drifted', async () => {
  const before = await monitor(ports, 'alpha', 'churn', { from: '2026-03-01T09:30:00Z', to: '2026-03-01T11:00:00Z' });
  expect(before).toMatchObject({ verdict: 'ok', invocations: 300, reference: { fields: 1 } });
  const now = await monitor(ports, 'alpha', 'churn', { window: '1h' });
  expect(now).toMatchObject({ release: 'churn', revision: 1, verdict: 'drift', invocations: 300 });
  expect(now.fields[0]).toMatchObject({ field: 'amount', verdict: 'drift', counts: { reference: 5_000, current: 300 } });
});

test('MO21 quality comes from the outcomes of the window', async () => {
  const { quality } = await monitor(ports, 'alpha', 'churn');
  expect(quality).toMatchObject({ outcome: 'label', count: 300, skipped: 0, truncated: false });
  expect(quality?.metrics['roc_auc']).toBeGreaterThan(0.75);
  expect((await monitor(ports, 'alpha', 'churn', { window: '1h' })).quality?.count).toBe(150);
  expect((await monitor(ports, 'alpha', 'churn', { outcome: 'rating' })).quality).toBeNull();
});

test('MO64 decisions are compared by what was declared sensitive, unless the settings or the question name other columns', async () => {
  const columns = async (options: Parameters<typeof monitor>[3], groups: readonly string[] = []) =>
    (await monitor(ports, 'alpha', 'churn', options, MonitorSettings.parse({ groups }))).fairness.map(({ column }) => column);
  expect(await columns({})).toEqual(['plan']);
  expect(await columns({}, ['amount'])).toEqual(['amount']);
  expect(await columns({ groups: ['other'] })).toEqual(['other']);
  const [{ groups = [] } = {}] = (await monitor(ports, 'alpha', 'churn')).fairness;
  expect(groups.map(({ group, count }) => [group, count]).toSorted()).toEqual([
    ['basic', 300],
    ['plus', 300],
  ]);
});

test('MO65 an objective that burns on errors says what the calls failed of; one that does not says nothing', async () => {
  const make = invocationMaker(clock);
  for (let index = 0; index < 100; index += 1) {
    const error = index % 2 === 0 ? { status: 'error' as const, error: index < 80 ? 'models/late' : 'models/busy', output: null } : {};
    await fixture.telemetry.append(make({ release: 'failing', input: {}, eventTimeMs: NOW_MS, ...error }));
  }
  const failing: MonitorPorts = {
    ...ports,
    findRelease: async (_project, name) => ({ ...(await ports.findRelease('alpha', 'churn')), release: name }),
  };
  const objectives = ['failing', 'churn'].map((name) =>
    monitor(
      failing,
      'alpha',
      name,
      { sections: ['objectives'] },
      MonitorSettings.parse({ objectives: [{ kind: 'errors', atMost: 0.01 }] }),
    ),
  );
  const [burning, quiet] = (await Promise.all(objectives)).map((report) => report.objectives[0]);
  expect(burning).toMatchObject({ verdict: 'drift', cause: 'of the latest 50 failed calls: models/late (40), models/busy (10)' });
  expect(quiet).toMatchObject({ verdict: 'ok', cause: null });
});

test('MO66 calls too few for any verdict are not read, and are told; enough of them are', async () => {
  const make = invocationMaker(clock);
  for (let index = 0; index < 20; index += 1)
    await fixture.telemetry.append(make({ release: 'quiet', input: { amount: 1, plan: 'plus' }, eventTimeMs: NOW_MS }));
  const sample = vi.spyOn(fixture.telemetry, 'sample');
  const contract = {
    format: 'slipway.contract/1' as const,
    fields: [{ name: 'amount', type: 'float64' as const, role: 'numeric' as const, nullable: false }],
  };
  const watching: MonitorPorts = {
    ...ports,
    findRelease: async (_project, name) => ({ ...(await ports.findRelease('alpha', 'churn')), release: name }),
    loadContract: async () => Contract.parse(contract),
    loadRows: async () => Array.from({ length: 300 }, () => ({ amount: 1 })),
  };
  const look = async (name: string) => (await monitor(watching, 'alpha', name, { sections: ['multivariate'] })).multivariate;
  expect(await look('quiet')).toMatchObject({ verdict: 'not-enough-data', counts: { current: 20 } });
  expect(sample).not.toHaveBeenCalled();
  expect(await look('churn')).toMatchObject({ counts: { current: 600 } });
  expect(sample).toHaveBeenCalledOnce();
  sample.mockRestore();
});

test('MO22 a version without a reference, and a revision without calls, say so', async () => {
  expect(await monitor(ports, 'alpha', 'churn', { revision: 2 })).toMatchObject({
    version: 'mv_2',
    reference: null,
    fields: [],
    invocations: 0,
    verdict: 'not-enough-data',
    quality: null,
  });
  await expect(monitor(ports, 'beta', 'churn')).rejects.toThrow(NotFoundError);
});

test('MO23 the route answers with the published shape', async () => {
  const report: Monitoring['report'] = (project, release, options) => monitor(ports, project, release, options);
  const [route] = monitoringCapability({ report } as Monitoring).routes ?? [];
  expect(route).toMatchObject({ method: 'GET', path: '/v1/releases/{name}/monitor', permission: 'project.read' });
  const reply = await route?.handle({ project: 'alpha', params: { name: 'churn' }, query: { window: '24h' } } as never);
  expect(MonitorReport.strict().parse(reply).invocations).toBe(600);
});

test('MO24 a window is a length up to now, or two times; anything else is refused by name', () => {
  expect(readWindow({}, NOW_MS)).toEqual({ fromMs: NOW_MS + 1 - 24 * HOUR_MS, toMs: NOW_MS + 1 });
  expect(readWindow({ window: '30m', to: '2026-01-01' }, NOW_MS).fromMs).toBe(Date.UTC(2025, 11, 31, 23, 30));
  expect(readWindow({ from: String(NOW_MS - 5), to: String(NOW_MS) }, NOW_MS)).toEqual({ fromMs: NOW_MS - 5, toMs: NOW_MS });
  const limit = { from: String(NOW_MS - WINDOW_LIMIT_MS), to: String(NOW_MS) };
  expect(readWindow(limit, NOW_MS).toMs).toBe(NOW_MS);
  for (const bad of [
    { window: '24' },
    { window: '0h' },
    { window: '-1h' },
    { window: '1y' },
    { window: '1h', from: '2026-01-01' },
    { from: 'yesterday' },
    { from: '2026-01-02', to: '2026-01-01' },
    { ...limit, to: String(NOW_MS + 1) },
  ]) {
    expect(() => readWindow(bad, NOW_MS)).toThrow(WindowInvalidError);
  }
});

test('MO25 a reference that is not one is refused', () => {
  for (const bad of [null, {}, { format: 'slipway.sketches/2', fields: {} }, { format: 'slipway.sketches/1', fields: { a: { v: 9 } } }]) {
    expect(() => readReference(bad)).toThrow(ReferenceInvalidError);
  }
});
