import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { Client } from '@slipway/client';
import { LaunchDefinition } from '@slipway/project/contract';
import { quickstartExample, quickstartFile } from '@slipway/project/quickstart';

export const RELEASE = 'breast-cancer';
const TRAIN_SECONDS = 3;

export const row = quickstartExample();

/** Uploads the quickstart data and starts a launch of it. @returns the run's id. */
export async function startLaunch(client: Client, more: Partial<Pick<LaunchDefinition, 'seed' | 'rollout'>> = {}): Promise<string> {
  const stream = Readable.toWeb(createReadStream(quickstartFile())) as ReadableStream<Uint8Array>;
  const { sha256 } = await client.uploads.put(stream, 'breast-cancer.csv');
  const definition = LaunchDefinition.parse({
    name: RELEASE,
    dataset: RELEASE,
    target: 'diagnosis',
    positive: 'malignant',
    train: { kind: 'auto', seconds: TRAIN_SECONDS },
    ...more,
  });
  const { run } = await client.launches.start({ definition, data: { sha256, fileName: 'breast-cancer.csv' } });
  return run;
}

const END_LIMIT_MS = 240_000;
const PAUSE_MS = 200;

/** Waits for a run's end without following its stream. @throws when it takes too long. */
export async function untilEnded(client: Client, run: string): Promise<string> {
  const deadline = performance.now() + END_LIMIT_MS;
  while (performance.now() < deadline) {
    const { status, error } = await client.runs.get(run);
    if (status === 'failed') throw new Error(`the run failed: ${JSON.stringify(error)}`);
    if (status === 'succeeded' || status === 'cancelled') return status;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  throw new Error(`the run ${run} has not ended after ${END_LIMIT_MS} ms: ${JSON.stringify(await client.runs.get(run))}`);
}
