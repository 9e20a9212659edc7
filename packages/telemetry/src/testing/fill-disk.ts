/**
 * A child process for the full-disk test, started under a file size limit: records calls until one is refused, goes on
 * for a while, and prints which were answered. `node fill-disk.ts DIRECTORY DURABILITY`
 */
import { writeSync } from 'node:fs';
import { createIds, systemClock } from '@slipway/kernel';
import { SegmentWriter, type Durability } from '../segment-writer.ts';
import { invocationLine } from '../line.ts';
import { invocationMaker } from './index.ts';

const [directory = '', durability = 'process'] = process.argv.slice(2);
const make = invocationMaker();
const failures: string[] = [];
const writer = new SegmentWriter<null>({
  directory,
  replica: 0,
  durability: durability as Durability,
  clock: systemClock,
  ids: createIds(systemClock),
  onWritten: () => {},
  onSegmentOpened: () => {},
  onSegmentClosed: () => {},
  onFailure: (error) => failures.push(error.message),
});

const answered: string[] = [];
const refused: string[] = [];
for (let turn = 0; turn < 60; turn += 1) {
  const calls = Array.from({ length: 1 + (turn % 7) }, () => make({ input: 'x'.repeat(1_000 + 37 * turn) }));
  const results = await Promise.allSettled(calls.map((call) => writer.append('alpha', 'invocation', invocationLine(call), null)));
  results.forEach((result, index) => {
    const id = calls[index]?.id as string;
    if (result.status === 'fulfilled') answered.push(id);
    else refused.push(`${result.reason.code} ${result.reason.details.reason}`);
  });
}
await writer.close();
writeSync(1, JSON.stringify({ answered, refused: [...new Set(refused)], refusedCount: refused.length, failures: failures.length }));
process.exit(0);
