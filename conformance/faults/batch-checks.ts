import type { Client } from '@slipway/client';

/** A kill as the outside sees it: the shard that was being worked on when the process went. */
export interface BatchEvents {
  /** The shards in the order in which they began, over all processes. */
  readonly begun: readonly number[];
  readonly shards: number;
  readonly kills: number;
}

/** What the events of a run say about its shards. */
export async function begunShards(client: Client, run: string): Promise<number[]> {
  const { items } = await client.runs.events(run, { limit: 500 });
  return items.flatMap(({ data }) => {
    const shard = data !== null && typeof data === 'object' && 'shard' in data ? data['shard'] : undefined;
    return typeof shard === 'number' ? [shard] : [];
  });
}

/**
 * A killed run does the shard again that it was in and no other: each begins once and in order, and one that begins again does so
 * right after itself, once a kill. @returns what is wrong.
 */
export function batchProblems({ begun, shards, kills }: BatchEvents): string[] {
  const problems: string[] = [];
  begun.forEach((shard, index) => {
    const before = begun[index - 1] ?? -1;
    if (shard !== before && shard !== before + 1) problems.push(`shard ${shard} began after shard ${before}`);
  });
  const repeated = begun.filter((shard, index) => shard === begun[index - 1]);
  if (repeated.length > kills) problems.push(`${repeated.length} shards began again after ${kills} kills`);
  if (begun.at(-1) !== shards - 1) problems.push(`the last shard that began is ${begun.at(-1)}, not ${shards - 1}`);
  return problems;
}
