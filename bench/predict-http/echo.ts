/** A bare Hono echo: what any JSON endpoint on this runtime costs at least. Tells its port to the parent. */
import { serve } from '@hono/node-server';
import { Hono } from 'hono';

const app = new Hono();
app.post('/v1/releases/:name/predict', async (context) => context.json(await context.req.json()));
serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => process.send?.({ port }));
