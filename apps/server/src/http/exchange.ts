/**
 * One request as the pipeline sees it, whether it came through node:http or as a Fetch Request. Both transports give
 * the same pipeline, so no path can skip a check that the other has.
 */
export interface Exchange {
  readonly method: string;
  /** The path as it was sent, without the query. */
  readonly path: string;
  /** The query with its question mark, or ''. */
  readonly search: string;
  /** `name` in lower case. */
  header(name: string): string | undefined;
  /** The whole body. @throws {BodyTooLargeError} as soon as more than the limit is announced or has arrived. */
  readBody(limitBytes: number): Promise<Uint8Array>;
  /** The body as it arrives; fails with BodyTooLargeError beyond the limit. */
  streamBody(limitBytes: number): ReadableStream<Uint8Array>;
  /** Aborts when the caller goes away before the reply has been sent. */
  signal(): AbortSignal;
}

export type ReplyBody = string | Uint8Array | ReadableStream<Uint8Array>;

/** What the pipeline answers; the transports add the headers that every reply has. */
export interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly body: ReplyBody;
  readonly requestId: string;
  /** Lower-case names; these win over the headers that every reply has. */
  readonly headers: Readonly<Record<string, string>> | undefined;
}

export const JSON_TYPE = 'application/json';

/** Headers of every reply unless it sets its own. Scripts, frames and content sniffing have no business with an API. */
export const BASE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

/** All headers of a reply as one flat list, the form node:http writes fastest. */
export function headerList(reply: Reply, sizeBytes: number | undefined): string[] {
  const list = ['content-type', reply.contentType, 'x-request-id', reply.requestId];
  if (sizeBytes !== undefined) list.push('content-length', String(sizeBytes));
  const own = reply.headers;
  if (own === undefined) {
    list.push(...BASE_LIST);
    return list;
  }
  for (const name in BASE_HEADERS) if (own[name] === undefined) list.push(name, BASE_HEADERS[name] as string);
  for (const name in own) if (!RESERVED.has(name)) list.push(name, own[name] as string);
  return list;
}

const BASE_LIST: readonly string[] = Object.entries(BASE_HEADERS).flat();
const RESERVED: ReadonlySet<string> = new Set(['content-type', 'x-request-id', 'content-length', 'transfer-encoding', 'connection']);
