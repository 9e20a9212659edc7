import { migrate, openRecords, type RecordsOptions } from '@slipway/records';
import { TEST_PROJECT, launchTestWorkflows, testSchemas } from './index.ts';
import { lineWorkflow } from './line-workflow.ts';

/** A worker process for the tests that kill it. Told what to do by its first argument, it answers with lines of JSON. */
interface Order {
  readonly store: RecordsOptions;
  readonly executorId: string;
  readonly leaseMs?: number;
  /** Runs to start after the launch. */
  readonly start?: { readonly runs: number; readonly input: unknown };
  /** Whether to wait for all runs of the store, report them, and leave. */
  readonly finish?: boolean;
}

const order = JSON.parse(process.argv[2] ?? '') as Order;
const say = (message: unknown) => process.stdout.write(`${JSON.stringify(message)}\n`);

const bootMs = performance.now();
const records = await openRecords(order.store);
await migrate(records, testSchemas);
const openedMs = performance.now();
const app = await launchTestWorkflows(records, [lineWorkflow], {
  executorId: order.executorId,
  queues: [{ name: 'lines', concurrency: 4 }],
  ...(order.leaseMs === undefined ? {} : { leaseMs: order.leaseMs }),
});
say({ ready: true, openMs: openedMs - bootMs, launchMs: performance.now() - openedMs, rssMb: process.memoryUsage().rss / 1e6 });

for (let run = 0; run < (order.start?.runs ?? 0); run += 1) await app.start('lines', order.start?.input);
if (order.start) say({ started: order.start.runs });

if (order.finish) {
  const { items } = await app.workflows.list(TEST_PROJECT, { limit: 500 });
  for (const { id } of items) await app.workflows.wait(TEST_PROJECT, id, { timeoutMs: 60_000 });
  const { items: ended } = await app.workflows.list(TEST_PROJECT, { limit: 500 });
  const events = await Promise.all(ended.map(({ id }) => app.workflows.events(TEST_PROJECT, id, { limit: 500 })));
  say({ finished: ended, between: events.map((of) => of.filter(({ phase }) => phase === 'between').map(({ message }) => message)) });
  await app.workflows.shutdown();
  await records.close();
  process.exit(0);
}
