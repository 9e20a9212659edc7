import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket, createSecureContext, createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { sendMail } from './send-mail.ts';

const canMakeCertificates = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

const USER = Buffer.from('\0slipway\0correct-horse').toString('base64');
const mail = { from: 'slipway@example.com', to: ['ada@example.com'], subject: 'drift', text: 'amount has moved' };

interface Certificate {
  readonly key: string;
  readonly cert: string;
}

interface MailServer {
  readonly port: number;
  /** Commands as they came, each with whether the connection was encrypted. */
  readonly heard: { readonly line: string; readonly encrypted: boolean }[];
  readonly server: Server;
}

interface Behaviour {
  readonly certificate: Certificate;
  readonly implicit?: boolean;
  readonly offersTls?: boolean;
  /** What a man in the middle adds after the reply to STARTTLS, before encryption begins. */
  readonly injected?: string;
  readonly refusesTls?: boolean;
}

/** Enough of RFC 5321, 3207 and 4954 to take a mail, over real sockets and real TLS. */
async function startMailServer(behaviour: Behaviour): Promise<MailServer> {
  const heard: MailServer['heard'] = [];
  const talk = (socket: Socket, encrypted: boolean): void => {
    let isData = false;
    const answer = (line: string): void => {
      heard.push({ line, encrypted });
      if (isData) {
        if (line !== '.') return;
        isData = false;
        socket.write('250 kept\r\n');
      } else if (line.startsWith('EHLO')) {
        const more = [...(behaviour.offersTls && !encrypted ? ['STARTTLS'] : []), ...(encrypted ? ['AUTH PLAIN'] : []), 'SIZE 100000'];
        socket.write(['mail.test', ...more].map((each, at, all) => `250${at === all.length - 1 ? ' ' : '-'}${each}\r\n`).join(''));
      } else if (line === 'STARTTLS') {
        if (behaviour.refusesTls) return void socket.write('454 not now\r\n');
        socket.removeAllListeners('data');
        socket.write(`220 go on\r\n${behaviour.injected ?? ''}`);
        const secure = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext(behaviour.certificate) });
        secure.on('error', () => {});
        talk(secure, true);
      } else if (line.startsWith('AUTH')) socket.write(line === `AUTH PLAIN ${USER}` ? '235 welcome\r\n' : '535 who are you\r\n');
      else if (line === 'DATA') {
        isData = true;
        socket.write('354 go on\r\n');
      } else socket.write(line === 'QUIT' ? '221 bye\r\n' : '250 ok\r\n');
    };
    socket.on('data', (chunk: Buffer) => chunk.toString().split('\r\n').filter(Boolean).forEach(answer));
    socket.on('error', () => {});
  };
  const greet = (encrypted: boolean) => (socket: Socket) => {
    socket.write('220 mail.test\r\n');
    talk(socket, encrypted);
  };
  const server = behaviour.implicit ? createTlsServer(behaviour.certificate, greet(true)) : createServer(greet(false));
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, heard, server };
}

describe.skipIf(!canMakeCertificates)('mail over TLS (skipped without openssl)', () => {
  let directory: string;
  let authority: string;
  let localhost: Certificate;
  let elsewhere: Certificate;
  let expired: Certificate;
  let own: Certificate;
  const trusted = getCACertificates('default');
  const started: Server[] = [];

  /** A certificate for a name; of the test's authority unless it signs itself. */
  async function certificateFor(name: string, options: { readonly signs?: boolean; readonly days?: string } = {}): Promise<Certificate> {
    const at = (file: string) => join(directory, `${name}.${options.days ?? 'now'}.${options.signs ?? 'ca'}.${file}`);
    const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
    await writeFile(at('ext'), `subjectAltName=DNS:${name}\n`);
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', at('key'), '-out', at('csr'), '-subj', `/CN=${name}`);
    const signer = options.signs
      ? ['-signkey', at('key')]
      : ['-CA', join(directory, 'ca.pem'), '-CAkey', join(directory, 'ca.key'), '-CAcreateserial'];
    openssl('x509', '-req', '-in', at('csr'), ...signer, '-days', options.days ?? '2', '-out', at('pem'), '-extfile', at('ext'));
    return { key: await readFile(at('key'), 'utf8'), cert: await readFile(at('pem'), 'utf8') };
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'slipway-mail-'));
    const ca = ['-keyout', join(directory, 'ca.key'), '-out', join(directory, 'ca.pem'), '-subj', '/CN=test authority', '-days', '2'];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...ca], { stdio: 'ignore' });
    authority = await readFile(join(directory, 'ca.pem'), 'utf8');
    [localhost, elsewhere, own, expired] = [
      await certificateFor('localhost'),
      await certificateFor('mail.elsewhere.example'),
      await certificateFor('localhost', { signs: true }),
      await certificateFor('localhost', { days: '0' }),
    ];
    setDefaultCACertificates([...trusted, authority]);
  }, 60_000);
  afterEach(() => {
    for (const server of started.splice(0)) server.close();
    setDefaultCACertificates([...trusted, authority]);
  });
  afterAll(async () => {
    setDefaultCACertificates(trusted);
    await rm(directory, { recursive: true });
  });

  const send = async (behaviour: Behaviour, more: { readonly password?: string } = { password: 'correct-horse' }) => {
    const { port, heard, server } = await startMailServer(behaviour);
    started.push(server);
    const encryption = behaviour.implicit ? ({ encryption: 'tls' } as const) : {};
    const login = more.password === undefined ? {} : { username: 'slipway', password: more.password };
    const error = await sendMail({ host: 'localhost', port, ...encryption, ...login }, mail, new Set([`localhost:${port}`])).then(
      () => null,
      (thrown: Error) => thrown.message,
    );
    return { error, heard, inTheClear: heard.filter((each) => !each.encrypted).map((each) => each.line) };
  };

  test('MO87 STARTTLS: nothing but the greeting goes in the clear, the password and the mail do not', async () => {
    const { error, heard, inTheClear } = await send({ certificate: localhost, offersTls: true });
    expect(error).toBeNull();
    expect(inTheClear).toEqual(['EHLO slipway', 'STARTTLS']);
    expect(heard.map((each) => each.line)).toContain(`AUTH PLAIN ${USER}`);
    expect(heard.map((each) => each.line)).toContain(Buffer.from(mail.text).toString('base64'));
  });

  test('MO87 TLS from the first byte: nothing goes in the clear', async () => {
    const { error, heard, inTheClear } = await send({ certificate: localhost, implicit: true });
    expect([error, inTheClear]).toEqual([null, []]);
    expect(heard.at(-1)?.line).toBe('QUIT');
  });

  test('MO88 no password without encryption: neither when it is not offered nor when it is refused; a mail without one still goes', async () => {
    const stripped = await send({ certificate: localhost, offersTls: false });
    expect(stripped.error).toContain('a password is not sent without');
    const refused = await send({ certificate: localhost, offersTls: true, refusesTls: true });
    expect(refused.error).toContain('454 not now');
    for (const { inTheClear } of [stripped, refused])
      expect(inTheClear.filter((line) => line.startsWith('AUTH') || line.startsWith('MAIL'))).toEqual([]);
    expect((await send({ certificate: localhost, offersTls: false }, {})).error).toBeNull();
  });

  test.each([
    ['for another name', () => elsewhere, /altnames|does not match/i],
    ['that signs itself', () => own, /self-signed/i],
    ['that has expired', () => expired, /expired/i],
  ])('MO89 a certificate %s ends it before the password, over STARTTLS and TLS', async (_name, certificate, message) => {
    for (const implicit of [false, true]) {
      const { error, heard } = await send({ certificate: certificate(), implicit, offersTls: true });
      expect(error).toMatch(message);
      expect(heard.filter((each) => /AUTH|MAIL/.test(each.line))).toEqual([]);
    }
  });

  test('MO89 the same certificate of an authority that is not known is refused (the control: known, it is taken)', async () => {
    setDefaultCACertificates(trusted);
    for (const implicit of [false, true]) {
      expect((await send({ certificate: localhost, implicit, offersTls: true })).error).toMatch(/unable to (verify|get)|self-signed/i);
    }
    setDefaultCACertificates([...trusted, authority]);
    expect((await send({ certificate: localhost, offersTls: true })).error).toBeNull();
  });

  test('MO91 what is slipped in before encryption begins is not believed', async () => {
    const { error, heard } = await send({
      certificate: localhost,
      offersTls: true,
      injected: '250 AUTH PLAIN\r\n235 welcome\r\n250 ok\r\n',
    });
    // Either the handshake fails on it or it is thrown away; the password reaches nobody in the clear.
    expect(heard.filter((each) => !each.encrypted).map((each) => each.line)).toEqual(['EHLO slipway', 'STARTTLS']);
    expect(error === null ? heard.some((each) => each.encrypted && each.line === 'DATA') : error.length > 0).toBe(true);
  });

  test('MO88 a wrong password is told with what the server said', async () => {
    expect((await send({ certificate: localhost, offersTls: true }, { password: 'wrong' })).error).toContain('535');
  });
});
