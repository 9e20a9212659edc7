import { writeFile } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import type { ModelLaunchDefinition, ResolvedLaunch } from '@slipway/project/contract';
import { renderConfig, renderModelConfig } from '@slipway/project/define';

/** Writes the TypeScript that means the same as a launch, with everything the search chose written out. */
export async function saveConfig(
  path: string,
  launch: ResolvedLaunch,
  files: { readonly dataPath: string; readonly testPath: string | undefined },
): Promise<void> {
  const { dataPath, testPath } = files;
  await writeFile(
    path,
    renderConfig(launch.definition, {
      dataPath: shownFrom(path, dataPath),
      testPath: testPath === undefined ? undefined : shownFrom(path, testPath),
    }),
  );
}

/** The same for a model made elsewhere. */
export async function saveModelConfig(
  path: string,
  definition: ModelLaunchDefinition,
  { modelPath, referencePath }: { readonly modelPath: string; readonly referencePath: string | undefined },
): Promise<void> {
  const files = {
    modelPath: shownFrom(path, modelPath),
    referencePath: referencePath === undefined ? undefined : shownFrom(path, referencePath),
  };
  await writeFile(path, renderModelConfig(definition, files));
}

/** Where `--save` writes; undefined when it was not asked for. */
export function savePath(flag: unknown): string | undefined {
  if (flag === undefined || flag === false) return undefined;
  return resolve(typeof flag === 'string' ? flag : 'slipway.config.ts');
}

function shownFrom(config: string, file: string): string {
  const short = relative(dirname(config), resolve(file));
  return short.startsWith('.') ? short : `./${short}`;
}
