import { type Socket, connect, isIP } from 'node:net';
import { createInterface } from 'node:readline';
import { type TLSSocket, connect as connectTls } from 'node:tls';
import { DELIVERY_TIMEOUT_MS } from '../limits.ts';
import { type AllowedHosts, checkHost, guardedLookup } from './guard-address.ts';

/** Port on which TLS begins with the first byte. */
const TLS_PORT = 465;
const REPLY_LINES_LIMIT = 100;

export interface MailServer {
  readonly host: string;
  readonly port: number;
  /** `tls`: encrypted from the first byte, the default on port 465. `starttls`: when the server offers it, or always with a password. */
  readonly encryption?: 'starttls' | 'tls' | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
}

/**
 * Sends one mail by SMTP (RFC 5321), encrypted from the first byte or when the server offers STARTTLS (RFC 3207); a password is
 * never sent in the clear. The server's certificate must be valid for its name; a private authority is made known to the
 * process with NODE_EXTRA_CA_CERTS. @throws with what the server said.
 */
export async function sendMail(server: MailServer, mail: Mail, allowed: AllowedHosts): Promise<void> {
  checkHost(server, allowed);
  const lookup = guardedLookup(server, allowed);
  const options = { host: server.host, port: server.port, lookup, timeout: DELIVERY_TIMEOUT_MS };
  const isTls = server.encryption === undefined ? server.port === TLS_PORT : server.encryption === 'tls';
  const session = new Session(isTls ? connectTls({ ...options, ...serverName(server.host) }) : connect(options));
  const timer = setTimeout(() => session.close(new Error('the mail server took too long')), DELIVERY_TIMEOUT_MS);
  try {
    await session.expect(220);
    let offers = await session.command('EHLO slipway', 250);
    let isPrivate = isTls;
    if (!isPrivate && offers.some((line) => /^250[- ]STARTTLS\b/i.test(line))) {
      await session.command('STARTTLS', 220);
      session.upgrade(server.host);
      isPrivate = true;
      offers = await session.command('EHLO slipway', 250);
    }
    if (server.username !== undefined) {
      if (!isPrivate) throw new Error('the mail server offers no encryption, and a password is not sent without');
      await session.command(`AUTH PLAIN ${Buffer.from(`\0${server.username}\0${server.password ?? ''}`).toString('base64')}`, 235);
    }
    await session.command(`MAIL FROM:<${clean(mail.from)}>`, 250);
    for (const to of mail.to) await session.command(`RCPT TO:<${clean(to)}>`, 250);
    await session.command('DATA', 354);
    await session.command(`${renderMail(mail)}\r\n.`, 250);
    await session.command('QUIT', 221).catch(() => []);
  } finally {
    clearTimeout(timer);
    session.close();
  }
}

/** What the certificate must be for; an address is compared as it is and is no server name (RFC 6066). */
function serverName(host: string): { servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {};
}

/** No line break or bracket may end an address early and begin a command of its own. */
function clean(address: string): string {
  return address.replace(/[\r\n<>\0]/g, '');
}

/** The message as it goes over the wire: UTF-8 in base64, so that no line is too long or begins with a dot. */
export function renderMail({ from, to, subject, text }: Mail): string {
  const encoded = Buffer.from(text, 'utf8')
    .toString('base64')
    .replace(/(.{76})/g, '$1\r\n');
  return [
    `From: <${clean(from)}>`,
    `To: ${to.map((each) => `<${clean(each)}>`).join(', ')}`,
    `Subject: =?utf-8?B?${Buffer.from(subject.replace(/[\r\n]/g, ' '), 'utf8').toString('base64')}?=`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    encoded,
  ].join('\r\n');
}

/** One line-by-line conversation. */
class Session {
  #socket: Socket | TLSSocket;
  #lines: AsyncIterator<string>;
  #failure: Error | undefined;

  constructor(socket: Socket | TLSSocket) {
    this.#socket = socket;
    this.#lines = this.#listen();
  }

  #listen(): AsyncIterator<string> {
    this.#socket.on('error', (error) => (this.#failure = error));
    return createInterface({ input: this.#socket })[Symbol.asyncIterator]();
  }

  upgrade(host: string): void {
    this.#socket.removeAllListeners('data');
    this.#socket = connectTls({ socket: this.#socket as Socket, host, ...serverName(host) });
    this.#lines = this.#listen();
  }

  command(text: string, code: number): Promise<string[]> {
    this.#socket.write(`${text}\r\n`);
    return this.expect(code);
  }

  async expect(code: number): Promise<string[]> {
    const reply: string[] = [];
    while (reply.length < REPLY_LINES_LIMIT) {
      const { value, done } = await this.#lines.next();
      if (done) throw this.#failure ?? new Error('the mail server hung up');
      reply.push(value);
      if (/^\d{3}(?!-)/.test(value)) break;
    }
    const last = reply.at(-1) ?? '';
    if (!last.startsWith(String(code))) throw new Error(`the mail server said: ${last.slice(0, 200)}`);
    return reply;
  }

  close(error?: Error): void {
    if (error) this.#failure = error;
    this.#socket.destroy();
  }
}
