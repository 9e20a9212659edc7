import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, Server as NetServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { InvalidError, toErrorBody } from '@slipway/kernel';
import { BodyFormatError } from './errors.ts';
import { BASE_HEADERS } from './exchange.ts';
import type { HttpApp } from './http-app.ts';
import {
  CONNECTIONS_LIMIT,
  CONNECTION_CHECK_MS,
  DRAIN_DEFAULT_MS,
  HEADERS_LIMIT,
  HEADERS_TIMEOUT_MS,
  HEADER_BYTES_LIMIT,
  KEEP_ALIVE_MS,
  REQUEST_TIMEOUT_MS,
} from './limits.ts';

export interface Listening {
  /** For example `http://127.0.0.1:7700`. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly server: Server;
  /**
   * Stops accepting, lets requests in flight end within the limit, then closes what is left.
   * @returns how many connections had to be cut.
   */
  close(options?: CloseOptions): Promise<{ readonly cut: number }>;
}

export interface CloseOptions {
  /** How long requests in flight may take to end. */
  readonly timeoutMs?: number;
  /** How long idle connections stay open after the last request: one closed at once may have a request on its way. Default 0. */
  readonly idleMs?: number;
}

/** Serves the application on node:http. Port 0 takes a free one. @throws the socket's error, for example EADDRINUSE. */
export async function listen(app: HttpApp, where: { readonly port: number; readonly host: string }): Promise<Listening> {
  const general = getRequestListener((request, env) => app.app.fetch(request, env), {
    overrideGlobalObjects: false,
    autoCleanupIncoming: false,
    hostname: 'localhost',
  });
  // A counter, not a set of replies: a set that every request enters and leaves makes garbage that keeps requests alive.
  const active: Active = { count: 0, begun: 0 };
  const leave = () => {
    active.count -= 1;
  };
  const server = createServer(SERVER_OPTIONS, (incoming: IncomingMessage, outgoing: ServerResponse) => {
    active.count += 1;
    active.begun += 1;
    outgoing.once('close', leave);
    if (app.node.tryFast(incoming, outgoing)) return;
    if (isOddTarget(incoming.url))
      return app.node.refuse(incoming, outgoing, new BodyFormatError('The request target is not a plain path.'));
    void general(incoming, outgoing);
  });
  server.maxConnections = CONNECTIONS_LIMIT;
  server.maxHeadersCount = HEADERS_LIMIT;
  server.on('clientError', answerBrokenRequest);
  const sweep = setInterval(() => app.node.watch.sweep(), CONNECTION_CHECK_MS);
  sweep.unref();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(where.port, where.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { port } = server.address() as AddressInfo;
  app.node.hosts.listening(port);
  const host = where.host.includes(':') ? `[${where.host}]` : where.host;
  return {
    url: `http://${host}:${port}`,
    host: where.host,
    port,
    server,
    async close(options = {}) {
      clearInterval(sweep);
      app.node.closing = true;
      for (const end of app.node.endless) end();
      return closeServer(server, active, { timeoutMs: DRAIN_DEFAULT_MS, idleMs: 0, ...options });
    },
  };
}

const SERVER_OPTIONS = {
  headersTimeout: HEADERS_TIMEOUT_MS,
  requestTimeout: REQUEST_TIMEOUT_MS,
  connectionsCheckingInterval: CONNECTION_CHECK_MS,
  keepAliveTimeout: KEEP_ALIVE_MS,
  maxHeaderSize: HEADER_BYTES_LIMIT,
  insecureHTTPParser: false,
  noDelay: true,
} as const;

/** What the adapter would refuse with an empty 400, or read as another address than ours. */
function isOddTarget(url: string | undefined): boolean {
  if (url === undefined || !url.startsWith('/') || url.startsWith('//')) return true;
  const mark = url.indexOf('?');
  const path = mark === -1 ? url : url.slice(0, mark);
  return path.includes('\\') || path.includes('#') || /\/\.{1,2}(?:\/|$)|%2e/i.test(path);
}

/** Requests in flight, and all that ever came. */
interface Active {
  count: number;
  begun: number;
}

/**
 * Stops listening, answers what comes on the connections that are open (each reply ends its connection), and closes those that
 * stay idle. Node's own `close` would close idle connections at once, some with a request on its way.
 */
async function closeServer(server: Server, active: Active, { timeoutMs, idleMs }: Required<CloseOptions>): Promise<{ cut: number }> {
  let cut = 0;
  // Right after the poll phase whatever was waiting to be accepted has been.
  if (idleMs > 0) await new Promise(setImmediate);
  const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
  if (idleMs === 0) server.closeIdleConnections();
  let seen = active.begun;
  let quietSinceMs = performance.now();
  const idle = setInterval(() => {
    if (active.begun !== seen) quietSinceMs = performance.now();
    seen = active.begun;
    if (performance.now() - quietSinceMs >= idleMs) server.closeIdleConnections();
  }, IDLE_CHECK_MS);
  const timer = setTimeout(() => {
    cut = active.count;
    server.closeAllConnections();
  }, timeoutMs);
  await closed;
  clearInterval(idle);
  clearTimeout(timer);
  // Ends the server's own look-out for slow requests.
  server.close(() => {});
  return { cut };
}

const IDLE_CHECK_MS = 50;

const BROKEN: Readonly<Record<string, { status: string; message: string }>> = {
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    message: `The headers are larger than ${HEADER_BYTES_LIMIT} bytes.`,
  },
  ERR_HTTP_REQUEST_TIMEOUT: { status: '408 Request Timeout', message: 'The request took too long to arrive.' },
};

/** The parser gave up, so there is no request to answer: a last line on the bare socket. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const { status, message } = BROKEN[error.code ?? ''] ?? { status: '400 Bad Request', message: 'This is not a valid HTTP/1.1 request.' };
  const body = JSON.stringify(toErrorBody(new InvalidError(message), null));
  const headers = Object.entries({
    ...BASE_HEADERS,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  });
  socket.end(`HTTP/1.1 ${status}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`);
}
