import { existsSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { dirname, join } from 'node:path';

/**
 * Lets Node keep what it compiled for the next start: a command that asks a server something took 0.61 to 1.05 s without and
 * 0.42 to 0.62 s with it (sources of the repository, 2026-11; processor time 0.53 and 0.32 s). The folder is beside the dependencies, where nobody
 * else may write, and not Node's own default under `/tmp`, which any user of the machine could fill first. It is removed with
 * them, and where it cannot be written nothing is kept. `NODE_COMPILE_CACHE` names another folder, `NODE_DISABLE_COMPILE_CACHE=1`
 * turns it off.
 * @returns the folder, or undefined where none is used.
 */
export function keepCompiled(from: string = import.meta.dirname): string | undefined {
  const modules = nearestModules(from);
  if (modules === undefined) return undefined;
  return enableCompileCache(join(modules, '.cache', 'slipway-compiled')).directory;
}

function nearestModules(from: string): string | undefined {
  const folder = join(from, 'node_modules');
  if (existsSync(folder)) return folder;
  const above = dirname(from);
  return above === from ? undefined : nearestModules(above);
}
