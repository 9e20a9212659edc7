/**
 * Restarts a server under load, again and again by SIGTERM, and counts requests that were sent on an accepted connection and
 * got no reply. While the server is away connections are refused; callers try again, and that is counted apart.
 *
 *     node bench/drain-restarts.ts [--restarts 50] [--connections 16] [--lame-duck 300] [--up 1]
 *
 * Goal: no request without a reply, every exit code 0. Ends with 1 when it is missed.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { predictRequest } from './support/heavy-release.ts';
import { SAMPLES, type SampleModel, launchSample, sampleRows } from './support/sample-models.ts';
import { median, startSlipway } from './support/slipway-process.ts';

const REQUESTS = 64;
const RETRY_MS = 20;
const CONTENT_LENGTH = /\r\ncontent-length: (\d+)\r\n/i;

const { values } = parseArgs({
  options: {
    restarts: { type: 'string', default: '50' },
    connections: { type: 'string', default: '16' },
    'lame-duck': { type: 'string', default: '300' },
    up: { type: 'string', default: '1' },
  },
});

const tally = { answered: 0, otherStatus: 0, lost: 0, refused: 0, closedByReply: 0 };
const statuses = new Map<string, number>();
let isOver = false;

/** One connection from its opening to its end: a request at a time. */
function converse(port: number, requests: readonly Buffer[], first: number): Promise<void> {
  return new Promise((resolve) => {
    let next = first;
    let isOpen = false;
    let isWaiting = false;
    let received = Buffer.alloc(0);
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const send = () => {
      if (isOver) return void socket.end();
      isWaiting = true;
      received = Buffer.alloc(0);
      socket.write(requests[next++ % requests.length] as Buffer);
    };
    socket.on('connect', () => {
      isOpen = true;
      send();
    });
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const headEnd = received.indexOf('\r\n\r\n');
      if (headEnd < 0) return;
      const head = received.toString('latin1', 0, headEnd + 2);
      if (received.length < headEnd + 4 + Number(CONTENT_LENGTH.exec(head)?.[1] ?? 0)) return;
      isWaiting = false;
      const status = head.slice(9, 12);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status === '200') tally.answered += 1;
      else tally.otherStatus += 1;
      if (/\r\nconnection: close\r\n/i.test(head)) {
        tally.closedByReply += 1;
        socket.end();
      } else send();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!isOpen && error.code === 'ECONNREFUSED') tally.refused += 1;
    });
    socket.on('close', () => {
      if (isWaiting) tally.lost += 1;
      resolve();
    });
  });
}

async function drive(port: number, requests: readonly Buffer[], index: number): Promise<void> {
  for (let first = index; !isOver; first += 7) {
    const refusedBefore = tally.refused;
    await converse(port, requests, first);
    if (tally.refused > refusedBefore) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
const home = join(folder, 'home');
try {
  const sample = SAMPLES['breast-cancer'] as SampleModel;
  await launchSample({ home }, sample);
  const port = await freePort();
  process.env['SLIPWAY_LAME_DUCK_MS'] = values['lame-duck'];
  const requests = sampleRows(sample, REQUESTS).map((row) =>
    Buffer.from(predictRequest(sample.name, row).replace('127.0.0.1:PORT', `127.0.0.1:${port}`)),
  );
  let server = await startSlipway({ home, port });
  const load = Array.from({ length: Number(values.connections) }, (_, index) => drive(port, requests, index));
  const exits = new Map<string, number>();
  const stopMs: number[] = [];
  for (let restart = 0; restart < Number(values.restarts); restart += 1) {
    await new Promise((resolve) => setTimeout(resolve, Number(values.up) * 1_000));
    const gone = once(server.child, 'exit');
    const stoppedMs = performance.now();
    server.child.kill('SIGTERM');
    const [code, signal] = (await gone) as [number | null, string | null];
    stopMs.push(performance.now() - stoppedMs);
    exits.set(String(code ?? signal), (exits.get(String(code ?? signal)) ?? 0) + 1);
    server = await startSlipway({ home, port });
  }
  isOver = true;
  await Promise.all(load);
  await server.stop();
  console.table([{ restarts: Number(values.restarts), ...tally }]);
  console.log(
    `replies by status: ${JSON.stringify(Object.fromEntries(statuses))}; exit codes: ${JSON.stringify(Object.fromEntries(exits))}`,
  );
  console.log(`from SIGTERM to the end: median ${median(stopMs).toFixed(0)} ms, longest ${Math.max(...stopMs).toFixed(0)} ms`);
  const met = tally.lost === 0 && exits.size === 1 && exits.has('0');
  console.log(`${tally.lost} requests without a reply (goal 0): ${met ? 'met' : 'MISSED'}`);
  process.exitCode = met ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
