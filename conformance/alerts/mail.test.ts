/** Alerts by mail through a mail server of others, from a real Slipway server; how single replies are met is in send-mail.test.ts. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, test } from 'vitest';
import { type ServerProcess, endAll, startServerProcess, temporaryHome } from '../faults/server-process.ts';

const python = process.env['SLIPWAY_REFERENCE_PYTHON'] ?? 'python3';
const succeeds = (command: string, ...args: string[]) => spawnSync(command, args, { timeout: 60_000 }).status === 0;
const canRun = succeeds(python, '-c', 'import aiosmtpd') && succeeds('openssl', 'version');
if (!canRun)
  process.stderr.write('skipped: a mail server of others; `pip install aiosmtpd`, and SLIPWAY_REFERENCE_PYTHON names that Python\n');

const USER = 'slipway';
const PASSWORD = 'correct horse';

interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  readonly encrypted: boolean;
  readonly authenticated: boolean;
}

describe.skipIf(!canRun)('mail through aiosmtpd (needs aiosmtpd: SLIPWAY_REFERENCE_PYTHON names a Python that has it)', () => {
  let folder: string;
  const at = (name: string) => join(folder, name);
  const children: ChildProcess[] = [];
  let home: Awaited<ReturnType<typeof temporaryHome>> | undefined;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-mail-'));
    const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
    openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      at('ca.key'),
      '-out',
      at('ca.pem'),
      '-subj',
      '/CN=test authority',
      '-days',
      '2',
    );
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', at('key.pem'), '-out', at('csr'), '-subj', '/CN=localhost');
    await writeFile(at('ext'), 'subjectAltName=DNS:localhost\n');
    const signer = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial'];
    openssl('x509', '-req', '-in', at('csr'), ...signer, '-days', '2', '-out', at('cert.pem'), '-extfile', at('ext'));
  }, 60_000);
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill();
    await endAll();
    await home?.remove();
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function startMailServer(encryption: 'starttls' | 'tls') {
    const script = fileURLToPath(new URL('smtp_server.py', import.meta.url));
    const args = [script, at('cert.pem'), at('key.pem'), USER, PASSWORD, encryption];
    const child = spawn(python, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const lines = createInterface({ input: child.stdout });
    const [first] = (await once(lines, 'line')) as [string];
    const mails: Mail[] = [];
    lines.on('line', (line) => mails.push(JSON.parse(line) as Mail));
    return { port: (JSON.parse(first) as { port: number }).port, mails };
  }

  async function startSlipway(port: number, trusts: boolean): Promise<ServerProcess> {
    home = await temporaryHome();
    const env = { SLIPWAY_OUTBOUND_ALLOW: `localhost:${port}`, ...(trusts ? { NODE_EXTRA_CA_CERTS: at('ca.pem') } : {}) };
    return startServerProcess({ home: home.home, env });
  }

  const add = ({ client }: ServerProcess, name: string, port: number, changes: object = {}) =>
    client.channels.add({
      name,
      target: {
        kind: 'smtp',
        host: 'localhost',
        port,
        from: 'slipway@example.com',
        to: ['ada@example.com', 'bob@example.com'],
        username: USER,
        password: PASSWORD,
        ...changes,
      },
    });

  test('STARTTLS: a message arrives whole, encrypted and under its user; a wrong password is told', async () => {
    const { port, mails } = await startMailServer('starttls');
    const server = await startSlipway(port, true);
    await add(server, 'oncall', port);
    assert.deepEqual(await server.client.channels.test('oncall'), { delivered: true, error: null });
    assert.deepEqual(mails, [
      {
        from: 'slipway@example.com',
        to: ['ada@example.com', 'bob@example.com'],
        subject: 'Slipway: a test',
        text: mails[0]?.text,
        encrypted: true,
        authenticated: true,
      },
    ]);
    assert.match(mails[0]?.text ?? '', /Slipway can reach this channel/);
    await add(server, 'stranger', port, { password: 'wrong' });
    const refused = await server.client.channels.test('stranger');
    assert.deepEqual([refused.delivered, /535/.test(refused.error ?? '')], [false, true], refused.error ?? '');
    assert.equal(mails.length, 1);
  }, 120_000);

  test('TLS from the first byte', async () => {
    const { port, mails } = await startMailServer('tls');
    const server = await startSlipway(port, true);
    await add(server, 'oncall', port, { encryption: 'tls' });
    assert.deepEqual(await server.client.channels.test('oncall'), { delivered: true, error: null });
    assert.deepEqual([mails[0]?.encrypted, mails[0]?.authenticated], [true, true]);
  }, 120_000);

  test('negative control: a certificate whose authority nobody named gets no password and no mail', async () => {
    const { port, mails } = await startMailServer('starttls');
    const server = await startSlipway(port, false);
    await add(server, 'oncall', port);
    const { delivered, error } = await server.client.channels.test('oncall');
    assert.deepEqual([delivered, /certificate/.test(error ?? '')], [false, true], error ?? '');
    assert.deepEqual(mails, []);
  }, 120_000);
});
