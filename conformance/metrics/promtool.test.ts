import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { RELEASE, row, startLaunch, untilEnded } from '../faults/quickstart.ts';
import { KEY, type ServerProcess, endAll, startServerProcess, temporaryHome } from '../faults/server-process.ts';

/** Prometheus' own judge of metric pages: `eval "$(tools/conformance-promtool.sh)"` fetches it; SLIPWAY_PROMTOOL names another place. */
const PROMTOOL = process.env['SLIPWAY_PROMTOOL'] ?? 'promtool';
const hasPromtool = spawnSync(PROMTOOL, ['--version'], { timeout: 60_000 }).status === 0;
if (!hasPromtool) process.stderr.write('skipped: promtool; eval "$(tools/conformance-promtool.sh)" fetches it\n');

interface Judgement {
  readonly code: number | null;
  readonly said: string;
}

function judge(page: string): Judgement {
  const { status, stdout, stderr } = spawnSync(PROMTOOL, ['check', 'metrics'], { input: page, encoding: 'utf8', timeout: 60_000 });
  return { code: status, said: `${stdout}${stderr}`.trim() };
}

/** Metrics that a server shows once it has launched, answered, failed, learnt outcomes, checked, and delivered. */
const EXPECTED = [
  'slipway_invocations_total',
  'slipway_invocation_latency_seconds',
  'slipway_outcomes_total',
  'slipway_http_requests_total',
  'slipway_monitor_verdict',
  'slipway_monitor_quality',
  'slipway_objective_burn_rate_ratio',
  'slipway_resource_verdict',
  'slipway_home_free_bytes',
  'slipway_event_loop_delay_seconds',
  'process_resident_memory_bytes',
];

describe.skipIf(!hasPromtool)('the page for Prometheus', () => {
  let home: Awaited<ReturnType<typeof temporaryHome>>;
  let server: ServerProcess;
  let page: string;

  beforeAll(async () => {
    home = await temporaryHome();
    server = await startServerProcess({ home: home.home });
    const { client } = server;
    await untilEnded(client, await startLaunch(client));
    for (let call = 0; call < 5; call += 1) {
      const { predictions } = await client.predict(RELEASE, { rows: Array.from({ length: 50 }, () => row) });
      const outcomes = predictions.map((each, at) => ({ invocation: each.invocation, value: at % 2 === 0 ? 'malignant' : 'benign' }));
      await client.outcomes.add({ outcomes });
    }
    const objectives = [
      { kind: 'errors' as const, atMost: 0.01 },
      { kind: 'latency' as const, thresholdMs: 100 },
    ];
    await client.releases.configureMonitor(RELEASE, { objectives });
    await client.releases.check(RELEASE);
    const read = () => fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${KEY}` } });
    page = await (await read()).text();
    // The job looks at the process itself a few times a minute.
    for (let wait = 0; wait < 60 && !page.includes('slipway_home_free_bytes'); wait += 1) {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      page = await (await read()).text();
    }
  });
  afterAll(async () => {
    await endAll();
    await home?.remove();
  });

  test('holds every family that a busy server has', () => {
    assert.deepEqual(
      EXPECTED.filter((name) => !page.includes(`# TYPE ${name} `)),
      [],
    );
  });

  test('passes promtool without a word', () => {
    assert.deepEqual(judge(page), { code: 0, said: '' });
  });

  test.each([
    ['a counter that does not say it is one', (text: string) => text.replaceAll('slipway_invocations_total', 'slipway_invocations')],
    ['a metric without help', (text: string) => text.replace(/^# HELP slipway_invocations_total .*\n/m, '')],
    ['a name that is none', (text: string) => text.replaceAll('slipway_invocations_total', 'slipway-invocations')],
    ['a value that is no number', (text: string) => text.replace(/^(process_resident_memory_bytes) .*$/m, '$1 much')],
  ])('does not with %s (negative control)', (_name, spoil) => {
    const spoilt = spoil(page);
    assert.notEqual(spoilt, page);
    const { code, said } = judge(spoilt);
    assert.ok(code !== 0 && said !== '', said);
  });
});
