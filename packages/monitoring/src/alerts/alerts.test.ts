import { createHmac } from 'node:crypto';
import { type IncomingMessage, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { auditSchema, createAudit } from '@slipway/audit';
import { createSecretBox, openSecretKeys } from '@slipway/identity';
import { type Principal, Redacted, createIds, fixedClock, systemRandomBytes } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { monitoringSchema } from '../capability.ts';
import { type Channels, createChannels } from '../delivery/channels.ts';
import { AlertNotFoundError, ChannelExistsError, ChannelNotFoundError, DestinationRefusedError } from '../errors.ts';
import { CLEAR_CHECKS_COUNT, DELIVERY_ATTEMPTS_LIMIT } from '../limits.ts';
import { configureMonitor } from '../configure-monitor.ts';
import { findSettings, saveSettings, takeTurn } from '../settings-store.ts';
import { MonitorSettings } from '../contract.ts';
import { type Alerts, createAlerts } from './alert-service.ts';
import type { Finding } from './finding.ts';

const principal: Principal = { id: 'prn_1', project: 'alpha', role: 'admin', instance: false, label: 'Ada' };
const KINDS = new Set(['drift']);

function finding(about: string, severity: 'warn' | 'alert' = 'alert'): Finding {
  return {
    release: 'churn',
    revision: 1,
    kind: 'drift',
    about,
    severity,
    message: `${about}: PSI 0.9`,
    cause: '<!channel> & co',
    command: 'slipway monitor churn',
    window: { fromMs: 0, toMs: 1_000 },
  };
}

describe.each(testEngines)('alerts on %s', (engine) => {
  let records: Records;
  let clock = fixedClock(Date.UTC(2026, 2, 1));
  let alerts: Alerts;
  let channels: Channels;
  const allowed = new Set<string>();
  const keys = openSecretKeys({ path: 'unused', given: new Redacted('ab'.repeat(32)), random: systemRandomBytes });
  const secrets = createSecretBox({ keys, random: systemRandomBytes });

  beforeAll(async () => {
    records = await createTestRecords([auditSchema, monitoringSchema], engine);
  });
  afterAll(() => records.close());
  beforeEach(async () => {
    await sql`truncate monitoring_alert, monitoring_channel, monitoring_delivery, monitoring_check, monitoring_monitor`.execute(records.db);
    clock = fixedClock(Date.UTC(2026, 2, 1));
    const ids = createIds(clock);
    const audit = createAudit({ records, clock, ids });
    channels = createChannels({ records, audit, clock, ids, random: systemRandomBytes, secrets, allowed });
    alerts = createAlerts({ records, audit, clock, ids, announce: channels.announce });
  });
  const settle = (...findings: Finding[]) => alerts.settle('alpha', 'churn', findings, KINDS);
  const all = async () => (await alerts.list('alpha', { limit: 100 })).items;

  test('MO74 what a monitor asks is saved and audited in the transaction of the caller, once, and not when it throws', async () => {
    const audit = createAudit({ records, clock, ids: createIds(clock) });
    const change = { project: 'alpha', release: 'churn', settings: MonitorSettings.parse({ groups: ['gender'] }), principal: 'prn_1' };
    const configure = (settings = change.settings) =>
      records.transaction((tx) => configureMonitor({ audit, clock }, tx, { ...change, settings }));
    const events = async () =>
      Number(
        (await sql<{ n: string }>`select count(*) as n from audit_event where type = 'monitoring.monitor.configured'`.execute(records.db))
          .rows[0]?.n,
      );
    const before = await events();
    expect([await configure(), await configure(), (await events()) - before]).toEqual([true, false, 1]);
    expect(await configure(MonitorSettings.parse({ window: '7d' }))).toBe(true);
    expect(await findSettings(records.db, 'alpha', 'churn')).toMatchObject({ window: '7d', groups: [] });
    const failing = records.transaction(async (tx) => {
      await configureMonitor({ audit, clock }, tx, change);
      throw new Error('undo');
    });
    await expect(failing).rejects.toThrow('undo');
    expect((await findSettings(records.db, 'alpha', 'churn'))?.window).toBe('7d');
    expect((await events()) - before).toBe(2);
  });

  test('MO70 a finding that repeats is one alert; what got worse is told again; absent twice, it is resolved', async () => {
    expect((await settle(finding('age', 'warn'))).raised).toHaveLength(1);
    expect((await settle(finding('age', 'warn'))).raised).toHaveLength(0);
    expect((await settle(finding('age', 'alert'))).raised).toMatchObject([{ about: 'age', severity: 'alert' }]);
    expect(await all()).toMatchObject([{ about: 'age', count: 3, status: 'open', severity: 'alert' }]);
    for (let check = 1; check < CLEAR_CHECKS_COUNT; check += 1) expect((await settle()).resolved).toHaveLength(0);
    expect((await settle()).resolved).toMatchObject([{ about: 'age', status: 'resolved', resolvedBy: 'system' }]);
    expect((await settle(finding('age'))).raised).toHaveLength(1);
    expect(await all()).toHaveLength(2);
  });

  test('MO95 what training would mend is told with what was done about it, read before the transaction; nothing else is, nor when it cannot be read', async () => {
    const ids = createIds(clock);
    const told: string[] = [];
    const deps = { records, audit: createAudit({ records, clock, ids }), clock, ids };
    let isReadable = true;
    const watched = createAlerts({
      ...deps,
      announce: async (_tx, _project, { raised, resolved }) =>
        void told.push(...[...raised, ...resolved].map(({ kind, response }) => `${kind} ${response?.message ?? 'nothing'}`)),
      async respond(project, release) {
        // On the embedded engine a query of its own inside the transaction would be refused.
        await sql`select 1`.execute(records.db);
        if (!isReadable) throw new Error('gone');
        return (alert) => ({ run: 'run_1', status: 'running', message: `${project} ${release} ${alert.about}` });
      },
    });
    const kinds = new Set(['drift', 'contract']);
    await watched.settle('alpha', 'churn', [finding('age'), { ...finding('age'), kind: 'contract' }], kinds);
    expect(told.toSorted()).toEqual(['contract nothing', 'drift alpha churn age']);
    const { items } = await watched.list('alpha', { limit: 10 });
    expect(items.map(({ kind, response }) => [kind, response?.run ?? null]).toSorted()).toEqual([
      ['contract', null],
      ['drift', 'run_1'],
    ]);
    for (let check = 0; check < CLEAR_CHECKS_COUNT; check += 1) await watched.settle('alpha', 'churn', [], kinds);
    expect(told.slice(2).toSorted()).toEqual(['contract nothing', 'drift alpha churn age']);
    isReadable = false;
    expect(await watched.get('alpha', items[0]?.id ?? '')).toMatchObject({ response: null });
  });

  test('MO71 a finding in between starts the counting anew, and a check of other questions resolves nothing', async () => {
    await settle(finding('age'));
    await settle();
    await settle(finding('age'));
    expect((await settle()).resolved).toHaveLength(0);
    for (let check = 0; check < 5; check += 1) await alerts.settle('alpha', 'churn', [], new Set(['quality']));
    expect(await all()).toMatchObject([{ status: 'open' }]);
  });

  test('MO72 acknowledged is told no more until it gets worse; resolved by hand is over; another project sees nothing', async () => {
    const [raised] = (await settle(finding('age', 'warn'))).raised;
    const id = raised?.id as string;
    expect(await alerts.acknowledge('alpha', id, principal, 'known')).toMatchObject({
      status: 'acknowledged',
      note: 'known',
      acknowledgedBy: 'prn_1',
    });
    expect((await settle(finding('age', 'warn'))).raised).toHaveLength(0);
    expect((await settle(finding('age', 'alert'))).raised).toMatchObject([{ status: 'open' }]);
    expect(await alerts.resolve('alpha', id, principal, undefined)).toMatchObject({
      status: 'resolved',
      resolvedBy: 'prn_1',
      note: 'known',
    });
    await expect(alerts.resolve('alpha', id, principal, undefined)).rejects.toMatchObject({ kind: 'conflict' });
    await expect(alerts.get('beta', id)).rejects.toThrow(AlertNotFoundError);
    await expect(alerts.get('alpha', 'nonsense')).rejects.toThrow(AlertNotFoundError);
    expect((await alerts.list('beta', { limit: 10 })).items).toEqual([]);
    expect((await alerts.list('alpha', { status: 'open', limit: 10 })).items).toEqual([]);
  });

  test('MO73 of several processes one gets the turn, and the next one only when it is due', async () => {
    const check = { project: 'alpha', release: 'churn', section: 'sketches', everyMs: 60_000 };
    const ask = (nowMs: number) => takeTurn(records.db, { ...check, nowMs });
    const turns = await Promise.all([ask(1_000_000), ask(1_000_000), ask(1_000_000)]);
    expect(turns.filter(Boolean)).toHaveLength(1);
    expect([await ask(1_059_999), await ask(1_060_000), await ask(1_060_001)]).toEqual([false, true, false]);
  });

  test('MO74 settings are kept by project and release', async () => {
    const settings = MonitorSettings.parse({ objectives: [{ kind: 'errors', atMost: 0.01 }], groups: ['sex'] });
    await records.transaction((tx) => saveSettings(tx, 'alpha', 'churn', settings, 1));
    expect(await findSettings(records.db, 'alpha', 'churn')).toEqual(settings);
    expect(await findSettings(records.db, 'beta', 'churn')).toBeUndefined();
    expect(MonitorSettings.safeParse({ windw: '1h' }).success).toBe(false);
  });

  describe('deliveries', () => {
    const received: { headers: IncomingMessage['headers']; body: string }[] = [];
    let status = 200;
    let url = '';
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        received.push({ headers: request.headers, body });
        response.writeHead(status, { location: 'http://169.254.169.254/' }).end();
      });
    });
    beforeAll(async () => {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      url = `http://127.0.0.1:${port}/hook?secret=1`;
      allowed.add(`127.0.0.1:${port}`);
    });
    afterAll(() => void server.close());
    afterEach(() => {
      received.length = 0;
      status = 200;
    });

    test('MO75 one signed message tells of all that a check found, and it is sent once', async () => {
      const { secret, host } = await channels.add(
        'alpha',
        { name: 'ops', target: { kind: 'webhook', url }, minimumSeverity: 'warn' },
        principal,
      );
      expect(host).not.toContain('secret');
      await settle(finding('age'), finding('plan', 'warn'));
      expect(await channels.deliver()).toBe(1);
      expect(await channels.deliver()).toBe(0);
      const [first] = received;
      const { headers, body } = first ?? { headers: {}, body: '' };
      const news = JSON.parse(body) as { raised: unknown[]; text: string };
      expect(news.raised).toHaveLength(2);
      expect(news.text).toContain('slipway monitor churn');
      const key = Buffer.from((secret ?? '').slice('whsec_'.length), 'base64');
      const signed = `${headers['webhook-id'] as string}.${headers['webhook-timestamp'] as string}.${body}`;
      expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
      expect(await channels.list('alpha')).toMatchObject([{ name: 'ops', deliveries: { sent: 1, waiting: 0, failed: 0 } }]);
      expect(JSON.stringify(await channels.list('alpha'))).not.toContain(secret);
    });

    test('MO76 a receiver that fails gets it again, later and later, under the same id, and is given up in the end', async () => {
      await channels.add('alpha', { name: 'ops', target: { kind: 'webhook', url }, minimumSeverity: 'warn' }, principal);
      await settle(finding('age'));
      status = 503;
      await channels.deliver();
      expect(await channels.deliver()).toBe(0);
      clock.advance(7 * 3_600_000);
      for (let attempt = 0; attempt < DELIVERY_ATTEMPTS_LIMIT + 3; attempt += 1) {
        await channels.deliver();
        clock.advance(7 * 3_600_000);
      }
      expect(received).toHaveLength(DELIVERY_ATTEMPTS_LIMIT);
      expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
      expect(await channels.list('alpha')).toMatchObject([{ deliveries: { failed: 1, lastError: 'the receiver answered 503' } }]);
    });

    test('MO77 Slack gets text in which nothing can mention or link; warnings go only where they are wanted', async () => {
      await channels.add('alpha', { name: 'chat', target: { kind: 'slack', url }, minimumSeverity: 'alert' }, principal);
      await settle(finding('plan', 'warn'));
      expect(await channels.deliver()).toBe(0);
      await settle(finding('plan', 'alert'));
      expect(await channels.deliver()).toBe(1);
      const { text: said } = JSON.parse(received[0]?.body ?? '{}') as { text: string };
      expect(said).toContain('&lt;!channel&gt; &amp; co');
      expect(received[0]?.headers['webhook-signature']).toBeUndefined();
    });

    test('MO78 a redirect is not followed, and a test says what came back', async () => {
      await channels.add('alpha', { name: 'ops', target: { kind: 'webhook', url }, minimumSeverity: 'warn' }, principal);
      expect(await channels.test('alpha', 'ops')).toEqual({ delivered: true, error: null });
      status = 302;
      expect(await channels.test('alpha', 'ops')).toEqual({ delivered: false, error: 'the receiver answered 302' });
      await expect(channels.test('beta', 'ops')).rejects.toThrow(ChannelNotFoundError);
    });

    test('MO79 addresses that are not public are refused when a channel is added and when a name leads to them', async () => {
      const add = (address: string, name = 'bad') =>
        channels.add('alpha', { name, target: { kind: 'webhook', url: address }, minimumSeverity: 'warn' }, principal);
      for (const address of [
        'http://127.1/',
        'http://0x7f.1:80/',
        'http://2130706433/',
        'http://[::1]/',
        'http://[::ffff:7f00:1]/',
        'http://10.0.0.1/',
        'http://169.254.169.254/latest',
        'http://user:word@example.com/',
      ]) {
        await expect(add(address)).rejects.toThrow(DestinationRefusedError);
      }
      await add('http://localhost:9/', 'name');
      expect((await channels.test('alpha', 'name')).error).toContain('does not lead to the public internet');
      await expect(add('http://localhost:9/', 'name')).rejects.toThrow(ChannelExistsError);
      await channels.remove('alpha', 'name', principal);
      await expect(channels.remove('alpha', 'name', principal)).rejects.toThrow(ChannelNotFoundError);
    });
  });
});
