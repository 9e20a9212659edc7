import type { z } from 'zod';
import { ConnectionError, errorOfReply } from './errors.ts';

export interface ClientOptions {
  /** Address of the server, for example `http://127.0.0.1:7700`. */
  readonly url: string;
  /** Key sent as `Authorization: Bearer`. */
  readonly key?: string | undefined;
  /** Project to act in when it is not the key's own. */
  readonly project?: string | undefined;
  /** Another fetch, such as one that calls a server in the same process. */
  readonly fetch?: typeof globalThis.fetch;
}

export interface CallOptions {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly stream?: ReadableStream<Uint8Array> | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

export interface Transport {
  readonly url: string;
  /** Calls a route and parses the reply with its published shape. */
  call<S extends z.ZodType>(method: string, path: string, shape: S, options?: CallOptions): Promise<z.output<S>>;
  /** Calls a route whose reply is not JSON. @throws the error the server named. */
  raw(method: string, path: string, options?: CallOptions): Promise<Response>;
}

/** Fetch with the address, the key, and errors turned back into what the server threw. */
export function createTransport(options: ClientOptions): Transport {
  const base = options.url.replace(/\/+$/, '');
  const doFetch = options.fetch ?? globalThis.fetch;

  async function raw(method: string, path: string, call: CallOptions = {}): Promise<Response> {
    const headers = new Headers(call.headers);
    if (options.key !== undefined) headers.set('authorization', `Bearer ${options.key}`);
    if (call.body !== undefined) headers.set('content-type', 'application/json');
    const init: RequestInit & { duplex?: 'half' } = { method, headers };
    if (call.signal) init.signal = call.signal;
    if (call.stream !== undefined) {
      init.body = call.stream as NonNullable<RequestInit['body']>;
      init.duplex = 'half';
      if (!headers.has('content-type')) headers.set('content-type', 'application/octet-stream');
    } else if (call.body !== undefined) init.body = JSON.stringify(call.body);
    let reply: Response;
    try {
      reply = await doFetch(base + withProject(path, options.project) + queryText(call.query), init);
    } catch (cause) {
      if (call.signal?.aborted) throw cause;
      throw new ConnectionError(`No Slipway server answers at ${base}.`, { cause, help: 'Start one with: slipway up' });
    }
    if (!reply.ok) throw errorOfReply(await reply.text(), reply.status);
    return reply;
  }

  return {
    url: base,
    raw,
    async call(method, path, shape, call) {
      const reply = await raw(method, path, call);
      return shape.parse(await reply.json()) as never;
    },
  };
}

function withProject(path: string, project: string | undefined): string {
  return project === undefined ? path : path.replace(/^\/v1\//, `/v1/projects/${encodeURIComponent(project)}/`);
}

function queryText(query: CallOptions['query']): string {
  const parts = Object.entries(query ?? {}).filter(([, value]) => value !== undefined);
  if (parts.length === 0) return '';
  return `?${parts.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`).join('&')}`;
}

/** One server-sent event. */
export interface ServerEvent {
  readonly event: string;
  readonly data: string;
}

/** Largest event kept while its end has not arrived. */
const EVENT_LIMIT_CHARACTERS = 16 * 1024 * 1024;

/** Reads a reply of server-sent events until it ends. */
export async function* readEvents(reply: Response): AsyncIterable<ServerEvent> {
  if (!reply.body) return;
  const decoder = new TextDecoder();
  let buffer = '';
  for await (const bytes of reply.body) {
    buffer += decoder.decode(bytes, { stream: true });
    if (buffer.length > EVENT_LIMIT_CHARACTERS) throw new ConnectionError('The server sent an event that is too large.');
    for (let end = buffer.indexOf('\n\n'); end >= 0; end = buffer.indexOf('\n\n')) {
      const event = parseEvent(buffer.slice(0, end));
      buffer = buffer.slice(end + 2);
      if (event) yield event;
    }
  }
}

function parseEvent(text: string): ServerEvent | undefined {
  let event = 'message';
  const data: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('event:')) event = line.slice(6).trim();
    else if (line.startsWith('data:')) data.push(line.slice(5).trimStart());
  }
  return data.length === 0 ? undefined : { event, data: data.join('\n') };
}
