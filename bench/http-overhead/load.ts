/** Sends the same POST over keep-alive connections, one request in flight each, and reports to the parent. */
import { connect } from 'node:net';

export interface LoadReport {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly latencyMsP50: number;
  readonly latencyMsP99: number;
}

interface Plan {
  readonly port: number;
  readonly key: string;
  readonly seconds: number;
  readonly connections: number;
}

function buildRequest({ port, key }: Plan): Buffer {
  const row = Object.fromEntries(
    Array.from({ length: 20 }, (_, index) => [`column${index}`, index % 3 === 0 ? `text ${index}` : index * 1.25]),
  );
  const body = JSON.stringify({ rows: [row] });
  const head = [
    'POST /v1/releases/churn/predict HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    `Authorization: Bearer ${key}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
}

const plan = JSON.parse(process.argv[2] ?? '{}') as Plan;
const request = buildRequest(plan);
const latenciesMs: number[] = [];
const endMs = performance.now() + plan.seconds * 1_000;

/** Length of the first whole reply in the text, or 0. */
function replyLength(text: string): number {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd === -1) return 0;
  const at = text.toLowerCase().indexOf('content-length: ');
  const length = headEnd + 4 + Number.parseInt(text.slice(at + 16, at + 26), 10);
  return text.length >= length ? length : 0;
}

function drive(): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    let sentMs = 0;
    const socket = connect({ port: plan.port, host: '127.0.0.1', noDelay: true });
    const send = () => {
      sentMs = performance.now();
      if (sentMs >= endMs) return void socket.end(resolve);
      socket.write(request);
    };
    socket.setEncoding('latin1');
    socket.on('connect', send);
    socket.on('error', reject);
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (replyLength(text) === 0) return;
      if (!text.startsWith('HTTP/1.1 200')) return reject(new Error(text.slice(0, 300)));
      text = '';
      latenciesMs.push(performance.now() - sentMs);
      send();
    });
  });
}

const startMs = performance.now();
await Promise.all(Array.from({ length: plan.connections }, drive));
const tookMs = performance.now() - startMs;
const sorted = Float64Array.from(latenciesMs).toSorted();
const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
const report: LoadReport = {
  requests: sorted.length,
  requestsPerSecond: (sorted.length * 1_000) / tookMs,
  latencyMsP50: at(0.5),
  latencyMsP99: at(0.99),
};
process.send?.(report);
