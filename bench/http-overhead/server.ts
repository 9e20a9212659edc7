/** One of the servers that http-overhead.ts compares; tells its port and key to the parent. */
import { createServer } from 'node:http';
import { serve } from '@hono/node-server';
import { createIdentity, identityMigrations } from '@slipway/identity';
import { createIds, defineRoute, systemClock, systemRandomBytes } from '@slipway/kernel';
import { createTestRecords } from '@slipway/records/testing';
import { Hono } from 'hono';
import { z } from 'zod';
import { createHttpApp, listen } from '../../apps/server/src/http/index.ts';

const KEY = 'bench-key-0123456789-0123456789-0123456789';
const HOST = '127.0.0.1';

function startNode(): Promise<number> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = JSON.stringify(JSON.parse(Buffer.concat(chunks).toString('utf8')));
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
      response.end(text);
    });
  });
  return new Promise((resolve) => server.listen(0, HOST, () => resolve((server.address() as { port: number }).port)));
}

function startHono(): Promise<number> {
  const app = new Hono();
  app.post('/v1/releases/:name/predict', async (context) => context.json(await context.req.json()));
  return new Promise((resolve) => serve({ fetch: app.fetch, port: 0, hostname: HOST }, ({ port }) => resolve(port)));
}

async function startSlipway(fast: boolean): Promise<number> {
  const records = await createTestRecords([{ name: 'identity', migrations: identityMigrations }]);
  const ids = createIds(systemClock);
  const audit = { append: async () => ({ seq: 1, id: 'evt_1' }) };
  const identity = createIdentity({ records, audit, clock: systemClock, ids, random: systemRandomBytes });
  await identity.bootstrap({ adminKey: KEY });
  const predict = defineRoute({
    method: 'POST',
    path: '/v1/releases/{name}/predict',
    permission: 'predict',
    summary: 'Echo',
    fast,
    body: z.strictObject({ rows: z.array(z.unknown()).min(1).max(1_000) }),
    response: z.unknown(),
    handle: async ({ body }) => body,
  });
  const log = { error: (message: string, fields: unknown) => console.error(message, fields) };
  const capabilities = [{ name: 'bench', routes: [predict] }];
  const app = createHttpApp({ capabilities, identity, clock: systemClock, ids, log, options: { version: '0.0.0' } });
  return (await listen(app, { port: 0, host: HOST })).port;
}

const variant = process.argv[2];
const port = variant === 'node' ? await startNode() : variant === 'hono' ? await startHono() : await startSlipway(variant === 'fast');
process.send?.({ port, key: KEY });
// Processor time is what a request costs whatever else the machine does.
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuMicros: user + system });
});
