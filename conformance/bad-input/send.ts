import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http';

/** A request as raw as it gets: any header (also Host), any bytes, any length. */
export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent piece by piece; what the server no longer reads is dropped. */
  readonly body?: string | Uint8Array | Iterable<Uint8Array>;
}

const TIMEOUT_MS = 60_000;

/** Sends it over a connection of its own. A server that answers before it has read everything is no failure. */
export function send(url: string, { method = 'POST', path, key, headers = {}, body }: RawRequest): Promise<Response> {
  const { hostname, port } = new URL(url);
  const options: RequestOptions = {
    hostname,
    port,
    method,
    path,
    agent: false,
    timeout: TIMEOUT_MS,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key ? { authorization: `Bearer ${key}` } : {}),
      ...headers,
    },
  };
  return new Promise((resolve, reject) => {
    let answered = false;
    const outgoing = request(options, (incoming) => {
      answered = true;
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        outgoing.destroy();
        resolve(new Response(Buffer.concat(chunks), { status: incoming.statusCode ?? 0, headers: flat(incoming.headers) }));
      });
    });
    outgoing.on('error', (error) => {
      if (!answered) reject(error);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer to ${method} ${path} within ${TIMEOUT_MS} ms`)));
    if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) outgoing.end(body);
    else void writeAll(body, outgoing);
  });
}

async function writeAll(pieces: Iterable<Uint8Array>, outgoing: ReturnType<typeof request>): Promise<void> {
  for (const piece of pieces) {
    if (outgoing.destroyed) return;
    if (!outgoing.write(piece)) {
      await new Promise<void>((resolve) => {
        outgoing.once('drain', resolve);
        outgoing.once('close', resolve);
      });
    }
  }
  outgoing.end();
}

function flat(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );
}
