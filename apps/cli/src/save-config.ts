import { writeFile } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import type { ResolvedLaunch } from '@slipway/project/contract';
import { renderConfig } from '@slipway/project/define';

/** Writes the TypeScript that means the same as a launch, with everything the search chose written out. */
export async function saveConfig(
  path: string,
  launch: ResolvedLaunch,
  files: { readonly dataPath: string; readonly testPath: string | undefined },
): Promise<void> {
  const from = dirname(path);
  const shown = (file: string) => {
    const short = relative(from, file);
    return short.startsWith('.') ? short : `./${short}`;
  };
  await writeFile(
    path,
    renderConfig(launch.definition, {
      dataPath: shown(files.dataPath),
      testPath: files.testPath === undefined ? undefined : shown(files.testPath),
    }),
  );
}
