import type { Client } from '@slipway/client';
import type { LaunchDefinition, LaunchResult } from '@slipway/project/contract';
import { followRun } from './follow-run.ts';
import { findOrigin } from './origin.ts';
import type { Output } from './output.ts';

export interface LaunchFiles {
  readonly definition: LaunchDefinition;
  readonly dataPath: string;
  readonly testPath?: string | undefined;
  readonly force: boolean;
  readonly mode: 'always' | 'when-changed';
}

/** Uploads, starts the launch and follows its run to the end. */
export function launchFiles(client: Client, files: LaunchFiles, output: Output): Promise<LaunchResult> {
  const { definition, dataPath, testPath, force, mode } = files;
  return followRun(client, output, {
    async start(upload) {
      const data = await upload(dataPath);
      const test = testPath === undefined ? undefined : await upload(testPath);
      const origin = await findOrigin(dataPath);
      return client.launches.start({ definition, data, ...(test ? { test } : {}), origin, force, mode });
    },
    follow: (run, onEvent) => client.launches.follow(run, onEvent),
  });
}
