import { BodyTooLargeError } from './errors.ts';
import { headerList, type Exchange, type Reply } from './exchange.ts';

/** A Fetch Request as the pipeline sees it: for tests and for hosts that speak Fetch. */
export class FetchExchange implements Exchange {
  readonly method: string;
  readonly path: string;
  readonly search: string;
  readonly #request: Request;
  readonly #host: string;

  constructor(request: Request) {
    const url = new URL(request.url);
    this.method = request.method;
    this.path = url.pathname;
    this.search = url.search;
    this.#host = url.host;
    this.#request = request;
  }

  header(name: string): string | undefined {
    return this.#request.headers.get(name) ?? (name === 'host' ? this.#host : undefined);
  }

  signal(): AbortSignal {
    return this.#request.signal;
  }

  async readBody(limitBytes: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.streamBody(limitBytes)) chunks.push(chunk);
    return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks);
  }

  streamBody(limitBytes: number): ReadableStream<Uint8Array> {
    if (Number(this.header('content-length') ?? 0) > limitBytes) throw new BodyTooLargeError(limitBytes);
    let sizeBytes = 0;
    const limit = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        sizeBytes += chunk.length;
        if (sizeBytes > limitBytes) controller.error(new BodyTooLargeError(limitBytes));
        else controller.enqueue(chunk);
      },
    });
    const source = (this.#request.body ?? new Blob([]).stream()) as ReadableStream<Uint8Array>;
    return source.pipeThrough(limit);
  }
}

/** The pipeline's reply as a Fetch Response. */
export function toResponse(reply: Reply): Response {
  const list = headerList(reply, undefined);
  const headers = new Headers();
  for (let index = 0; index < list.length; index += 2) headers.set(list[index] as string, list[index + 1] as string);
  // A Uint8Array may lie over shared memory as far as the types know; Response wants its own.
  const body = reply.body instanceof Uint8Array ? new Uint8Array(reply.body) : reply.body;
  // Fetch allows a 304 no body at all, not even an empty one.
  return new Response(reply.status === 304 ? null : body, { status: reply.status, headers });
}
