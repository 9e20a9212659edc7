import { RawReply, type Route } from '@slipway/kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { telemetryCapability } from './capability.ts';
import { InvocationDetail, InvocationPage, InvocationQuery, OutcomesReply, OutcomesRequest } from './contract.ts';
import { type TelemetryFixture, createTelemetryFixture, invocationMaker } from './testing/index.ts';

let fixture: TelemetryFixture;
let routes: readonly Route[];
const make = invocationMaker();
beforeAll(async () => {
  fixture = await createTelemetryFixture();
  routes = telemetryCapability(fixture.telemetry).routes ?? [];
});
afterAll(() => fixture.close());

function call(method: string, path: string, given: object): Promise<unknown> {
  const route = routes.find((one) => one.method === method && one.path === path);
  return (
    route?.handle({ project: 'alpha', principal: { instance: false }, ...given } as never) ?? Promise.reject(new Error('no such route'))
  );
}

test('TL70 a recorded call is listed and shown with RFC 3339 times, and its outcomes say which one stands', async () => {
  const invocation = make({ eventTimeMs: Date.UTC(2026, 0, 31, 12) });
  await fixture.telemetry.append(invocation);
  const body = OutcomesRequest.parse({
    outcomes: [
      { invocation: invocation.id, value: 'no', eventTime: '2026-02-01T00:00:00Z' },
      { invocation: invocation.id, value: 'yes', eventTime: '2026-02-02T00:00:00Z' },
    ],
  });
  expect(OutcomesReply.parse(await call('POST', '/v1/outcomes', { body }))).toEqual({ accepted: 2, duplicates: 0, problems: [] });
  const shown = InvocationDetail.parse(await call('GET', '/v1/invocations/{invocation}', { params: { invocation: invocation.id } }));
  expect(shown.invocation).toMatchObject({ id: invocation.id, eventTime: '2026-01-31T12:00:00.000Z', input: invocation.input });
  expect(
    shown.outcomes.map(({ value, current }) => ({ value, current })).toSorted((a, b) => (String(a.value) < String(b.value) ? -1 : 1)),
  ).toEqual([
    { value: 'no', current: false },
    { value: 'yes', current: true },
  ]);
  const query = InvocationQuery.parse({ from: '2026-01-31T12:00:00Z', to: String(invocation.eventTimeMs + 1), limit: '5' });
  const page = InvocationPage.parse(await call('GET', '/v1/invocations', { query }));
  expect(page.items.map((item) => item.id)).toEqual([invocation.id]);
});

test('TL71 metrics count every call answered before they were asked for, of the caller’s project only', async () => {
  await fixture.telemetry.append(make());
  await fixture.telemetry.append(make({ project: 'beta', status: 'error', output: null }));
  const reply = await call('GET', '/metrics', {});
  expect(reply).toBeInstanceOf(RawReply);
  const text = String((reply as RawReply).body);
  expect(text).toMatch(/slipway_invocations_total\{project="alpha",release="churn",revision="1",status="ok"\} \d/);
  expect(text).toMatch(/slipway_invocation_latency_seconds_count\{project="alpha",release="churn"\} \d/);
  expect(text).not.toContain('beta');
  const all = await call('GET', '/metrics', { principal: { instance: true } });
  expect(String((all as RawReply).body)).toContain('status="error"');
});

test('TL72 each route asks for a permission', () => {
  expect(routes.map((route) => [route.method, route.path, route.permission])).toEqual([
    ['GET', '/v1/invocations', 'invocation.read'],
    ['GET', '/v1/invocations/{invocation}', 'invocation.read'],
    ['POST', '/v1/outcomes', 'outcome.write'],
    ['GET', '/metrics', 'project.read'],
  ]);
});
