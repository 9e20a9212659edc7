import { parentPort, workerData } from 'node:worker_threads';
import { join } from 'node:path';
import { identifyStore } from '../object-store-identity.ts';

const { folder, rounds, workers, gate } = workerData as { folder: string; rounds: number; workers: number; gate: Int32Array };

const found: string[] = [];
for (let round = 0; round < rounds; round++) {
  // All begin a round at the same moment.
  Atomics.add(gate, round, 1);
  while (Atomics.load(gate, round) < workers);
  found.push(await identifyStore(join(folder, String(round))));
}
parentPort?.postMessage(found);
