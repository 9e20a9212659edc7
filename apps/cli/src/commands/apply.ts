import { resolve } from 'node:path';
import type { LaunchResult, ModelLaunchResult } from '@slipway/project/contract';
import type { Command } from 'commander';
import { noteUnserved, withClient } from '../connect.ts';
import { launchFiles } from '../launch-file.ts';
import { runModelLaunch, showModelLaunch } from '../launch-model.ts';
import { loadConfig } from '../load-config.ts';
import { readableSize } from '../local-file.ts';
import { globalOptions } from '../options.ts';
import { createOutput, printResult } from '../output.ts';
import { showLaunch } from '../show-launch.ts';

/** `apply`: make what a project definition says, and nothing that exists already. */
export function addApply(program: Command): void {
  program
    .command('apply')
    .description('make what slipway.config.ts says; what exists already is left alone')
    .argument('[file]', 'the definition', 'slipway.config.ts')
    .option('--force', 'release although a gate failed; recorded with your name')
    .action(async (file: string, flags: { force?: boolean }, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      const config = await loadConfig(resolve(file));
      const paths = [
        ...config.launches.flatMap(({ dataPath, testPath }) => [dataPath, testPath]),
        ...config.models.flatMap(({ modelPath, referencePath }) => [modelPath, referencePath]),
      ];
      for (const path of paths) if (path !== undefined) await readableSize(path);
      const { results, models, through } = await withClient(options, output, async (client, connection) => {
        const made: LaunchResult[] = [];
        for (const { definition, dataPath, testPath } of config.launches) {
          made.push(
            await launchFiles(client, { definition, dataPath, testPath, force: flags.force === true, mode: 'when-changed' }, output),
          );
        }
        const finished: ModelLaunchResult[] = [];
        for (const files of config.models) finished.push(await runModelLaunch(client, { ...files, mode: 'when-changed' }, output));
        return { results: made, models: finished, through: connection.through };
      });
      printResult(output, { project: config.project, applied: [...results, ...models] }, () =>
        [...results.map(showLaunch), ...models.map(showModelLaunch)].join('\n\n'),
      );
      if ([...results, ...models].some((result) => result.release)) noteUnserved(output, through, options);
      if (results.some((result) => !result.release)) process.exitCode = 3;
    });
}
