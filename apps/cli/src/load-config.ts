import { stat } from 'node:fs/promises';
import { registerHooks } from 'node:module';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InvalidError, NotFoundError } from '@slipway/kernel';
import {
  type PlannedLaunch,
  type PlannedModelLaunch,
  type ProjectDefinition,
  isProjectDefinition,
  planLaunches,
  planModelLaunches,
} from '@slipway/project/define';

export interface LoadedConfig {
  readonly project: string;
  readonly launches: readonly PlannedLaunch[];
  readonly models: readonly PlannedModelLaunch[];
}

/** Imports a project definition. Paths in it are relative to its folder. */
export async function loadConfig(path: string): Promise<LoadedConfig> {
  if (!(await stat(path).catch(() => undefined))?.isFile()) {
    throw new NotFoundError(`There is no definition "${path}".`, { help: 'Write one with: slipway launch FILE --target COLUMN --save' });
  }
  const definition = await importDefinition(path);
  const folder = dirname(path);
  const launches = planLaunches(definition).map((launch) => ({
    ...launch,
    dataPath: resolve(folder, launch.dataPath),
    testPath: launch.testPath === undefined ? undefined : resolve(folder, launch.testPath),
  }));
  const models = planModelLaunches(definition).map((launch) => ({
    ...launch,
    modelPath: resolve(folder, launch.modelPath),
    referencePath: launch.referencePath === undefined ? undefined : resolve(folder, launch.referencePath),
  }));
  return { project: definition.name, launches, models };
}

/** Where `import … from 'slipway'` leads: the definition API of this very program, installed in the folder or not. */
function definitionApi(): string {
  return import.meta.url.endsWith('.ts') ? import.meta.resolve('@slipway/project/define') : new URL('./index.js', import.meta.url).href;
}

/** Where in the file it went wrong, when the error tells. */
function lineIn(path: string, cause: unknown): string {
  const stack = cause instanceof Error ? (cause.stack ?? '') : '';
  for (const file of [pathToFileURL(path).href, path]) {
    const at = stack.indexOf(`${file}:`);
    const line = at < 0 ? undefined : /^\d+/.exec(stack.slice(at + file.length + 1))?.[0];
    if (line !== undefined) return ` (line ${line})`;
  }
  return '';
}

async function importDefinition(path: string): Promise<ProjectDefinition> {
  let module: { default?: unknown };
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'slipway' ? { url: definitionApi(), shortCircuit: true } : next(specifier, context),
  });
  try {
    module = (await import(pathToFileURL(path).href)) as { default?: unknown };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidError(`"${path}" cannot be loaded${lineIn(path, cause)}: ${reason}`, {
      cause,
      help: 'Mend it there, or compare with what slipway launch FILE --target COLUMN --save writes.',
    });
  } finally {
    hooks.deregister();
  }
  if (!isProjectDefinition(module.default)) {
    throw new InvalidError(`"${path}" has no project as its default export.`, {
      help: "End it with: export default defineProject('name', [ … ])",
    });
  }
  return module.default;
}
