import { readdir } from 'node:fs/promises';
import type { Client } from '@slipway/client';
import { strayFiles } from '../faults/home-checks.ts';

/** Everything that a refused request must not add to. */
export interface Holdings {
  readonly versions: readonly string[];
  readonly releases: readonly string[];
  readonly strayFiles: readonly string[];
  /** Half-written objects. */
  readonly temporary: readonly string[];
  readonly auditOk: boolean;
  /** Runs that go on. */
  readonly running: readonly string[];
}

const PAGE = 500;

export async function holdingsOf(client: Client, home: string): Promise<Holdings> {
  const versions = (await client.versions.list({ limit: PAGE })).items.map(({ id }) => id);
  const { items } = await client.releases.list({ limit: PAGE });
  const releases = items.map(({ name, traffic }) => `${name} ${traffic.map((arm) => arm.revision).join(' ')}`);
  const runs = (await client.runs.list({ limit: PAGE })).items;
  return {
    versions: versions.toSorted(),
    releases: releases.toSorted(),
    strayFiles: await strayFiles(home),
    temporary: await readdir(`${home}/objects/.temporary`).catch(() => []),
    auditOk: (await client.audit.verify()).ok,
    running: runs.filter(({ status }) => status === 'queued' || status === 'running').map(({ id }) => id),
  };
}
