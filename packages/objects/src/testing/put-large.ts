/** A child process for the memory test: puts and reads back a large stream and prints how much the process grew. */
import { writeSync } from 'node:fs';
import { openFolderObjects } from '../folder-objects.ts';
import { noise } from './conformance.ts';

const [directory = '', sizeText = '0'] = process.argv.slice(2);
const sizeBytes = Number(sizeText);
const objects = await openFolderObjects(directory);
const piece = noise(64 * 1024, 1);

async function* stream(): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < sizeBytes; sent += piece.byteLength) yield piece.subarray(0, sizeBytes - sent);
}

await objects.put('alpha', noise(1_000, 2));
const before = process.memoryUsage().rss;
let peak = before;
const watch = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage().rss);
}, 2);
const started = performance.now();
const ref = await objects.put('alpha', stream());
const putMs = performance.now() - started;
let readBytes = 0;
for await (const chunk of await objects.open('alpha', ref.sha256)) readBytes += chunk.byteLength;
clearInterval(watch);
writeSync(1, JSON.stringify({ sizeBytes: ref.sizeBytes, readBytes, grownBytes: peak - before, putMs }));
