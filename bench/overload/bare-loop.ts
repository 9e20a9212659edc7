/**
 * The least that can answer the heavy model's calls and refuse the rest: node:http, one worker with ONNX Runtime, a queue with a limit.
 * No keys, contracts, records or deadlines. What its refusals take, on the same machine with the same load, is what any server's would.
 */
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openModel } from '@slipway/models';
import { heavyModel } from '@slipway/models/testing';
import { HEAVY_SIZE } from '../support/heavy-release.ts';

const BATCH_ROWS = 4;
/** About what a model that answers 200 calls a second may let wait for two seconds. */
const WAITING_LIMIT = 400;
const REFUSAL = JSON.stringify({ error: { code: 'kernel/overloaded', message: 'x'.repeat(200) } });
const HEADERS = ['content-type', 'application/json'];

const model = await openModel({ ...heavyModel(HEAVY_SIZE), lane: 'worker', runRows: BATCH_ROWS });
const waiting: { readonly x: number; readonly outgoing: ServerResponse }[] = [];
let isRunning = false;

function write(outgoing: ServerResponse, status: number, body: string): void {
  outgoing.writeHead(status, [...HEADERS, 'content-length', String(body.length)]);
  outgoing.end(body);
}

async function run(): Promise<void> {
  isRunning = true;
  while (waiting.length > 0) {
    const taken = waiting.splice(0, BATCH_ROWS);
    const { values } = await model.predictRows(taken.map(({ x }) => ({ x })));
    taken.forEach(({ outgoing }, row) => write(outgoing, 200, JSON.stringify({ predictions: [{ prediction: values?.[row] }] })));
  }
  isRunning = false;
}

const server = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
  if (waiting.length >= WAITING_LIMIT) {
    incoming.resume();
    return write(outgoing, 503, REFUSAL);
  }
  let text = '';
  incoming.setEncoding('utf8');
  incoming.on('data', (part: string) => (text += part));
  incoming.on('end', () => {
    const { rows } = JSON.parse(text) as { rows: [{ x: number }] };
    waiting.push({ x: rows[0].x, outgoing });
    if (!isRunning) void run();
  });
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
