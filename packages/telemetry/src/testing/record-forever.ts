/**
 * A child process for the kill test: records calls without end and writes the id of each answered one to standard output.
 * `node record-forever.ts HOME SEED`
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { createRandom } from '@slipway/statistics';
import { openHome } from './open-home.ts';
import { invocationMaker } from './index.ts';

const [home = '', seed = '1'] = process.argv.slice(2);
const random = createRandom(Number(seed));
const { telemetry } = await openHome(join(home), { segmentLimitBytes: 100_000 });
const make = invocationMaker();
writeSync(1, 'ready\n');

async function recordForever(): Promise<never> {
  for (;;) {
    const call = make({ input: { amount: random.normal(), note: 'x'.repeat(random.int(300)) }, subject: `s${random.int(5)}` });
    await telemetry.append(call);
    // The reply: from here on the call must never be lost.
    writeSync(1, `${call.id}\n`);
    if (random.int(12) === 0) await new Promise((resolve) => setTimeout(resolve, random.int(5)));
    if (random.int(100) === 0) void telemetry.maintain().catch(() => {});
  }
}

await Promise.all(Array.from({ length: 8 }, recordForever));
