import { auditSchema, createAudit } from '@slipway/audit';
import { type SecretBox, SecretUnreadableError, createSecretBox, openSecretKeys } from '@slipway/identity';
import { type Principal, Redacted, createIds, fixedClock, systemRandomBytes as random } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { monitoringSchema } from '../capability.ts';
import { findChannelRow } from './channel-store.ts';
import { createChannels } from './channels.ts';
import { openChannel } from './sealed-channel.ts';

const principal: Principal = { id: 'prn_1', project: 'alpha', role: 'admin', instance: false, label: 'Ada' };
const [first, second] = ['a1'.repeat(32), 'b2'.repeat(32)];
const mailbox = {
  name: 'mail',
  target: {
    kind: 'smtp' as const,
    host: 'mail.example.com',
    port: 587,
    from: 'slipway@example.com',
    to: ['ada@example.com'],
    username: 'slipway-user',
    password: 'correct-horse',
  },
  minimumSeverity: 'warn' as const,
};
const chat = {
  name: 'chat',
  target: { kind: 'slack' as const, url: 'https://chat.example.com/hooks/T0/token-in-path' },
  minimumSeverity: 'warn' as const,
};

function boxWith(keys: string): SecretBox {
  return createSecretBox({ keys: openSecretKeys({ path: 'unused', given: new Redacted(keys), random }), random });
}

describe.each(testEngines)('sealed channels on %s', (engine) => {
  let records: Records;
  beforeAll(async () => {
    records = await createTestRecords([auditSchema, monitoringSchema], engine);
  });
  afterAll(() => records.close());
  beforeEach(async () => {
    await sql`truncate monitoring_channel, monitoring_delivery`.execute(records.db);
  });
  const channelsWith = (keys: string) => {
    const clock = fixedClock(Date.UTC(2026, 2, 1));
    const ids = createIds(clock);
    return createChannels({
      records,
      audit: createAudit({ records, clock, ids }),
      clock,
      ids,
      random,
      secrets: boxWith(keys),
      allowed: new Set(),
    });
  };
  const wholeTable = async () => JSON.stringify((await sql`select to_jsonb(c) as row from monitoring_channel c`.execute(records.db)).rows);
  const passwordUnder = async (keys: string) => {
    const row = await findChannelRow(records.db, 'alpha', 'mail');
    const { target } = await openChannel(boxWith(keys), row ?? expect.fail('there is no channel'));
    return target.kind === 'smtp' ? target.password : undefined;
  };

  test('MO83 the table holds no password, no user name, no address of a chat and no signing secret', async () => {
    const channels = channelsWith(first);
    await channels.add('alpha', mailbox, principal);
    await channels.add('alpha', chat, principal);
    const { secret } = await channels.add(
      'alpha',
      { ...chat, name: 'hook', target: { kind: 'webhook', url: 'https://example.com/in?key=path-secret' } },
      principal,
    );
    const raw = await wholeTable();
    for (const hidden of ['correct-horse', 'slipway-user', 'token-in-path', 'path-secret', secret ?? 'none', (secret ?? '').slice(6)]) {
      expect(raw).not.toContain(hidden);
    }
    expect(raw).toContain('mail.example.com');
    expect(await passwordUnder(first)).toBe('correct-horse');
    expect((await channels.list('alpha')).map(({ name, host, problem }) => [name, host, problem])).toEqual([
      ['chat', 'chat.example.com', null],
      ['hook', 'example.com', null],
      ['mail', 'mail.example.com', null],
    ]);
  });

  test('MO84 what an older version kept open is sealed at the start, once, and works as before', async () => {
    await sql`insert into monitoring_channel (project, id, name, target, secret, minimum_severity, created_at_ms)
      values ('alpha', 'chn_old', 'mail', ${JSON.stringify(mailbox.target)}::jsonb, 'whsec_b2xk', 'warn', 1)`.execute(records.db);
    expect(await wholeTable()).toContain('correct-horse');
    const channels = channelsWith(first);
    expect(await channels.sealStored()).toBe(1);
    expect(await channels.sealStored()).toBe(0);
    const raw = await wholeTable();
    expect(raw).not.toContain('correct-horse');
    expect(raw).not.toContain('whsec_');
    expect(await passwordUnder(first)).toBe('correct-horse');
    expect(await channels.list('alpha')).toMatchObject([{ name: 'mail', kind: 'smtp', host: 'mail.example.com', problem: null }]);
  });

  test('MO85 without its key a channel says so where it is listed and used; with the old key beside a new one it is sealed anew', async () => {
    await channelsWith(first).add('alpha', mailbox, principal);
    const elsewhere = channelsWith(second);
    expect(await elsewhere.sealStored()).toBe(0);
    expect((await elsewhere.list('alpha'))[0]?.problem).toContain('Copy secret.key');
    expect((await elsewhere.test('alpha', 'mail')).error).toContain('was sealed with key');
    expect(await channelsWith(`${second},${first}`).sealStored()).toBe(1);
    expect(await passwordUnder(second)).toBe('correct-horse');
    await expect(passwordUnder(first)).rejects.toThrow(SecretUnreadableError);
  });

  test('MO86 a row moved to another project or pointed at another host does not open', async () => {
    await channelsWith(first).add('alpha', mailbox, principal);
    await sql`update monitoring_channel set target = jsonb_set(target, '{destination}', '"smtp://evil.example.com:587"')`.execute(
      records.db,
    );
    await expect(passwordUnder(first)).rejects.toThrow('belongs to something else');
    await sql`update monitoring_channel set target = jsonb_set(target, '{destination}', '"smtp://mail.example.com:587"')`.execute(
      records.db,
    );
    expect(await passwordUnder(first)).toBe('correct-horse');
    await sql`update monitoring_channel set project = 'beta'`.execute(records.db);
    expect((await channelsWith(first).list('beta'))[0]?.problem).toContain('belongs to something else');
  });
});
