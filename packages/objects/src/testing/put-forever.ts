/**
 * A child process for the kill test: puts objects of pseudo-random sizes without end, writing each finished hash to
 * standard output. `node put-forever.ts DIRECTORY SEED`
 */
import { writeSync } from 'node:fs';
import { openFolderObjects } from '../folder-objects.ts';
import { noise } from './conformance.ts';

const [directory = '', seedText = '1'] = process.argv.slice(2);
const objects = await openFolderObjects(directory);
writeSync(1, 'ready\n');

async function putForever(lane: number): Promise<never> {
  for (let round = 1; ; round += 1) {
    const seed = Number(seedText) * 1_000_000 + lane * 100_000 + round;
    const bytes = noise(1 + ((seed * 7919) % 400_000), seed);
    const { sha256 } = await objects.put('alpha', slowly(bytes));
    writeSync(1, `${sha256}\n`);
  }
}

async function* slowly(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += 50_000) {
    yield bytes.subarray(start, start + 50_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

await Promise.all([putForever(1), putForever(2), putForever(3)]);
