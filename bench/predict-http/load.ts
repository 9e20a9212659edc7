/**
 * Sends prepared requests over keep-alive connections, one in flight each, and reports to the parent. Raw sockets and a
 * minimal reader, because on a small machine the generator takes its processor time from the server.
 */
import { connect } from 'node:net';

export interface LoadPlan {
  readonly port: number;
  /** Whole HTTP requests, with PORT in the place of the port in Host; each connection goes through them in turn. */
  readonly requests: readonly string[];
  readonly seconds: number;
  readonly connections: number;
  /** A refusal (503) is counted and the connection waits this long, as its client would; without it a refusal ends the load. */
  readonly refusedPauseMs?: number;
}

export interface LoadReport {
  /** Answered with 200. */
  readonly requests: number;
  readonly refused: number;
  readonly requestsPerSecond: number;
  readonly latencyMsP50: number;
  readonly latencyMsP99: number;
}

const CONTENT_LENGTH = /\r\ncontent-length: (\d+)\r\n/i;
const CHUNKED = /\r\ntransfer-encoding: chunked\r\n/i;
const LAST_CHUNK = '\r\n0\r\n\r\n';
const HEAD_LIMIT_BYTES = 2_048;

const isRefusal = (reply: Buffer) => reply.toString('latin1', 0, 12) === 'HTTP/1.1 503';

/** Length of the whole reply that begins the buffer, or 0 while it cannot be told yet. One request is in flight, so nothing follows it. */
function replyLength(buffer: Buffer, mayRefuse: boolean): number {
  const headEnd = buffer.indexOf('\r\n\r\n');
  if (headEnd < 0) return 0;
  const head = buffer.toString('latin1', 0, Math.min(headEnd + 2, HEAD_LIMIT_BYTES));
  if (!head.startsWith('HTTP/1.1 200') && !(mayRefuse && isRefusal(buffer))) throw new Error(buffer.toString('latin1', 0, 600));
  if (CHUNKED.test(head)) return buffer.subarray(-LAST_CHUNK.length).toString('latin1') === LAST_CHUNK ? buffer.length : 0;
  return headEnd + 4 + Number(CONTENT_LENGTH.exec(head)?.[1] ?? Number.NaN);
}

interface Tally {
  readonly latenciesMs: number[];
  refused: number;
}

function drive(plan: LoadPlan, requests: readonly Buffer[], endMs: number, tally: Tally, first: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let next = first;
    let sentMs = 0;
    let received: Buffer | undefined;
    const socket = connect({ port: plan.port, host: '127.0.0.1', noDelay: true });
    const send = () => {
      sentMs = performance.now();
      if (sentMs >= endMs) {
        socket.end();
        return resolve();
      }
      socket.write(requests[next++ % requests.length] as Buffer);
    };
    socket.on('connect', send);
    socket.on('error', reject);
    socket.on('data', (chunk: Buffer) => {
      received = received === undefined ? chunk : Buffer.concat([received, chunk]);
      try {
        const length = replyLength(received, plan.refusedPauseMs !== undefined);
        if (length === 0 || received.length < length) return;
      } catch (error) {
        socket.destroy();
        return reject(error as Error);
      }
      const isRefused = isRefusal(received);
      received = undefined;
      if (isRefused) {
        tally.refused += 1;
        setTimeout(send, plan.refusedPauseMs);
        return;
      }
      tally.latenciesMs.push(performance.now() - sentMs);
      send();
    });
  });
}

async function run(plan: LoadPlan): Promise<LoadReport> {
  const requests = plan.requests.map((text) => Buffer.from(text.replace('127.0.0.1:PORT', `127.0.0.1:${plan.port}`)));
  const tally: Tally = { latenciesMs: [], refused: 0 };
  const startMs = performance.now();
  const endMs = startMs + plan.seconds * 1_000;
  await Promise.all(Array.from({ length: plan.connections }, (_, index) => drive(plan, requests, endMs, tally, index)));
  const tookMs = performance.now() - startMs;
  const sorted = Float64Array.from(tally.latenciesMs).toSorted();
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
  return {
    requests: sorted.length,
    refused: tally.refused,
    requestsPerSecond: (sorted.length * 1_000) / tookMs,
    latencyMsP50: at(0.5),
    latencyMsP99: at(0.99),
  };
}

// One process serves all rounds, so that its own code is warm as well.
process.on('message', async (plan: LoadPlan) => {
  process.send?.(await run(plan).catch((error: unknown) => ({ error: String(error) })));
});
process.send?.('ready');
