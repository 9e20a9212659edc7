import type { IncomingMessage, ServerResponse } from 'node:http';
import { BodyTooLargeError, ClientGoneError, SlowBodyError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { BODY_WINDOW_BYTES_MIN, BODY_WINDOW_MS } from './limits.ts';

/** A body somebody waits for. */
interface Waiting {
  /** Bytes that came since the window began. */
  bytes: number;
  sinceMs: number;
  readonly giveUp: (error: Error) => void;
  /** Place in the list, or -1. */
  place: number;
}

/**
 * Finds bodies that come too slowly, by one timer for all connections instead of one a request. A plain list that closes
 * its gaps: a set that every request enters and leaves is rebuilt all the time, and its old tables keep requests alive.
 */
export class SlowBodyWatch {
  readonly #waiting: Waiting[] = [];
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  begin(giveUp: (error: Error) => void): Waiting {
    const waiting = { bytes: 0, sinceMs: this.#nowMs(), giveUp, place: this.#waiting.length };
    this.#waiting.push(waiting);
    return waiting;
  }

  end(waiting: Waiting): void {
    const { place } = waiting;
    if (place < 0) return;
    waiting.place = -1;
    const last = this.#waiting.pop();
    if (last === undefined || last === waiting) return;
    last.place = place;
    this.#waiting[place] = last;
  }

  /** It is us who are slow: the window stands still until `resume`. */
  pause(waiting: Waiting): void {
    if (waiting.place < 0) return;
    this.end(waiting);
    waiting.sinceMs -= this.#nowMs();
  }

  resume(waiting: Waiting): void {
    if (waiting.place >= 0) return;
    waiting.sinceMs += this.#nowMs();
    waiting.place = this.#waiting.length;
    this.#waiting.push(waiting);
  }

  /** Gives up on every body that brought less than the named minimum in its window. */
  sweep(): void {
    const now = this.#nowMs();
    // From the end, because giving up on one puts the last in its place.
    for (let place = this.#waiting.length - 1; place >= 0; place -= 1) {
      const waiting = this.#waiting[place];
      if (waiting === undefined) continue;
      if (now - waiting.sinceMs < BODY_WINDOW_MS) continue;
      if (waiting.bytes < BODY_WINDOW_BYTES_MIN) waiting.giveUp(new SlowBodyError());
      waiting.bytes = 0;
      waiting.sinceMs = now;
    }
  }
}

/** A request of node:http as the pipeline sees it. */
export class NodeExchange implements Exchange {
  readonly method: string;
  readonly path: string;
  readonly search: string;
  readonly #incoming: IncomingMessage;
  readonly #outgoing: ServerResponse;
  readonly #watch: SlowBodyWatch;
  #controller: AbortController | undefined;

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, watch: SlowBodyWatch) {
    const url = incoming.url ?? '/';
    const mark = url.indexOf('?');
    this.method = incoming.method ?? 'GET';
    this.path = mark === -1 ? url : url.slice(0, mark);
    this.search = mark === -1 ? '' : url.slice(mark);
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#watch = watch;
  }

  header(name: string): string | undefined {
    const value = this.#incoming.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  signal(): AbortSignal {
    if (this.#controller) return this.#controller.signal;
    const controller = new AbortController();
    this.#controller = controller;
    const outgoing = this.#outgoing;
    const gone = () => {
      if (!outgoing.writableFinished) controller.abort(new ClientGoneError('The caller went away.'));
    };
    if (outgoing.destroyed) gone();
    else outgoing.once('close', gone);
    return controller.signal;
  }

  readBody(limitBytes: number): Promise<Uint8Array> {
    const incoming = this.#incoming;
    const announced = incoming.headers['content-length'];
    if (announced === undefined ? incoming.headers['transfer-encoding'] === undefined : announced === '0') return NO_BODY;
    if (announced !== undefined && Number(announced) > limitBytes) return Promise.reject(new BodyTooLargeError(limitBytes));
    return new Promise((resolve, reject) => collect(incoming, this.#watch, limitBytes, resolve, reject));
  }

  streamBody(limitBytes: number): ReadableStream<Uint8Array> {
    const incoming = this.#incoming;
    if (Number(incoming.headers['content-length'] ?? 0) > limitBytes) throw new BodyTooLargeError(limitBytes);
    return streamIncoming(incoming, this.#watch, limitBytes);
  }
}

const NO_BODY: Promise<Uint8Array> = Promise.resolve(new Uint8Array(0));

function collect(
  incoming: IncomingMessage,
  watch: SlowBodyWatch,
  limitBytes: number,
  resolve: (bytes: Uint8Array) => void,
  reject: (error: Error) => void,
): void {
  let first: Buffer | undefined;
  let rest: Buffer[] | undefined;
  let sizeBytes = 0;
  // The listeners go with the request; taking four off every request costs more than the body.
  let isSettled = false;
  const fail = (error: Error) => {
    if (isSettled) return;
    isSettled = true;
    watch.end(waiting);
    incoming.pause();
    reject(error);
  };
  const waiting = watch.begin(fail);
  const onData = (chunk: Buffer) => {
    if (isSettled) return;
    sizeBytes += chunk.length;
    waiting.bytes += chunk.length;
    if (sizeBytes > limitBytes) return fail(new BodyTooLargeError(limitBytes));
    if (first === undefined) first = chunk;
    else (rest ??= [first]).push(chunk);
  };
  const onEnd = () => {
    if (isSettled) return;
    isSettled = true;
    watch.end(waiting);
    resolve(rest === undefined ? (first ?? new Uint8Array(0)) : Buffer.concat(rest, sizeBytes));
  };
  const onClose = () => {
    if (!isSettled) fail(new ClientGoneError('The caller went away before its body had arrived.'));
  };
  incoming.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
}

const NOTHING = () => {};

/** Reads only as fast as the reader asks; the watch runs only while the reader waits for the caller. */
function streamIncoming(incoming: IncomingMessage, watch: SlowBodyWatch, limitBytes: number): ReadableStream<Uint8Array> {
  let sizeBytes = 0;
  let stop = NOTHING;
  let demand = NOTHING;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const fail = (error: Error) => {
        stop();
        incoming.pause();
        controller.error(error);
      };
      const waiting = watch.begin(fail);
      const onData = (chunk: Buffer) => {
        sizeBytes += chunk.length;
        waiting.bytes += chunk.length;
        if (sizeBytes > limitBytes) return fail(new BodyTooLargeError(limitBytes));
        controller.enqueue(chunk);
        if ((controller.desiredSize ?? 0) > 0) return;
        incoming.pause();
        watch.pause(waiting);
      };
      const onEnd = () => {
        stop();
        controller.close();
      };
      const onClose = () => fail(new ClientGoneError('The caller went away before its body had arrived.'));
      stop = () => {
        watch.end(waiting);
        incoming.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      };
      incoming.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
      demand = () => {
        watch.resume(waiting);
        incoming.resume();
      };
    },
    pull: () => demand(),
    cancel() {
      stop();
      incoming.pause();
    },
  });
}
