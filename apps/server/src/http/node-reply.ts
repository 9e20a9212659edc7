import type { IncomingMessage, ServerResponse } from 'node:http';
import { headerList, type Reply } from './exchange.ts';
import { LINGER_BYTES_MAX, LINGER_MS, ONE_WRITE_BYTES_MAX, SKIP_BODY_BYTES_MAX, STALLED_REPLY_MS } from './limits.ts';

export interface WriteOptions {
  /** The server is on its way down: the connection ends with this reply. */
  readonly closing: boolean;
  /** Told when a streamed body fails; the caller only sees its connection break. */
  readonly onStreamError: (error: unknown) => void;
  /** Told how to end a stream of events, which has no end of its own; a closing server uses it. */
  readonly endless: Set<() => void>;
}

/** Writes a reply to node:http. */
export function writeReply(incoming: IncomingMessage, outgoing: ServerResponse, reply: Reply, options: WriteOptions): void {
  if (outgoing.destroyed || outgoing.headersSent) return;
  const { body } = reply;
  if (body instanceof ReadableStream) {
    writeHead(outgoing, reply, undefined, options.closing);
    if (incoming.method === 'HEAD') {
      outgoing.end();
      void body.cancel().catch(() => {});
    } else void pump(body, outgoing, options, reply.contentType.startsWith('text/event-stream'));
    return;
  }
  const sizeBytes = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
  const unread = bodyUnread(incoming);
  const early = unread === 'much';
  writeHead(outgoing, reply, sizeBytes, options.closing || early);
  if (early) linger(incoming, outgoing, body);
  else {
    if (typeof body === 'string' || body.byteLength > ONE_WRITE_BYTES_MAX) outgoing.end(body);
    // Node joins head and body to one write only when both are text; as Latin-1 each byte is one character and comes out as it was.
    else outgoing.end(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1'), 'latin1');
    if (unread === 'little') closeUnlessComplete(incoming);
  }
}

function writeHead(outgoing: ServerResponse, reply: Reply, sizeBytes: number | undefined, closing: boolean): void {
  const list = headerList(reply, sizeBytes);
  if (closing) list.push('connection', 'close');
  outgoing.writeHead(reply.status, list);
}

/** How much of the request may still be on its way: node:http skips a little, much is not worth it. */
function bodyUnread(incoming: IncomingMessage): 'none' | 'little' | 'much' {
  if (incoming.complete) return 'none';
  const announced = incoming.headers['content-length'];
  if (announced === undefined) return incoming.headers['transfer-encoding'] === undefined ? 'none' : 'much';
  if (announced === '0') return 'none';
  return Number(announced) > SKIP_BODY_BYTES_MAX ? 'much' : 'little';
}

/** The caller has its answer; it may not hold the connection by never sending the little that is left. */
function closeUnlessComplete(incoming: IncomingMessage): void {
  const timer = setTimeout(() => {
    if (!incoming.complete) incoming.socket.destroy();
  }, LINGER_MS);
  incoming.once('close', () => clearTimeout(timer));
}

/**
 * Sends the reply, then reads and drops a bounded rest of the request before closing: closing at once would reset the
 * connection and could take the reply away from a caller that is still sending.
 */
function linger(incoming: IncomingMessage, outgoing: ServerResponse, body: string | Uint8Array): void {
  let droppedBytes = 0;
  const finish = () => {
    clearTimeout(timer);
    incoming.off('data', drop).off('end', finish).off('close', finish);
    outgoing.end();
    incoming.destroy();
  };
  const timer = setTimeout(finish, LINGER_MS);
  const drop = (chunk: Buffer) => {
    droppedBytes += chunk.length;
    if (droppedBytes > LINGER_BYTES_MAX) finish();
  };
  incoming.on('data', drop).on('end', finish).on('close', finish);
  incoming.on('error', () => {});
  outgoing.write(body);
  incoming.resume();
}

async function pump(body: ReadableStream<Uint8Array>, outgoing: ServerResponse, options: WriteOptions, endless: boolean): Promise<void> {
  const reader = body.getReader();
  const gone = () => void reader.cancel('the caller went away').catch(() => {});
  outgoing.once('close', gone);
  if (endless) options.endless.add(gone);
  try {
    outgoing.flushHeaders();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || outgoing.destroyed) break;
      if (!outgoing.write(value)) await drained(outgoing);
    }
    outgoing.off('close', gone);
    if (outgoing.destroyed) gone();
    else outgoing.end();
  } catch (error) {
    outgoing.off('close', gone);
    // Headers are out already: only a broken connection can tell the caller that the rest is missing.
    if (!outgoing.destroyed) options.onStreamError(error);
    outgoing.destroy();
    gone();
  } finally {
    options.endless.delete(gone);
  }
}

function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      outgoing.off('drain', done).off('close', done);
      resolve();
    };
    const timer = setTimeout(() => outgoing.destroy(), STALLED_REPLY_MS);
    outgoing.on('drain', done).on('close', done);
  });
}
