import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

export const ROOT = new URL('..', import.meta.url).pathname;

export interface Workspace {
  readonly name: string;
  readonly directory: string;
  readonly layer: number;
  readonly dependencies: ReadonlySet<string>;
  readonly devDependencies: ReadonlySet<string>;
  readonly exports: ReadonlySet<string>;
}

interface Manifest {
  name: string;
  layer?: number;
  exports?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

/** Every workspace of the repository, from its package.json. */
export function readWorkspaces(root: string = ROOT): Workspace[] {
  return ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group)).map((folder): Workspace => {
      const directory = join(root, group, folder);
      const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
      return {
        name: manifest.name,
        directory,
        layer: manifest.layer ?? Number.NaN,
        dependencies: new Set(Object.keys(manifest.dependencies ?? {})),
        devDependencies: new Set(Object.keys(manifest.devDependencies ?? {})),
        exports: new Set(Object.keys(manifest.exports ?? {})),
      };
    }),
  );
}

const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', '.build', '.git', '.slipway', 'coverage']);

/** All TypeScript files under a folder, tests included. */
export function sourceFiles(directory: string): string[] {
  return readdirSync(directory).flatMap((entry) => {
    if (SKIPPED_FOLDERS.has(entry)) return [];
    const path = join(directory, entry);
    if (statSync(path).isDirectory()) return sourceFiles(path);
    return entry.endsWith('.ts') ? [path] : [];
  });
}

export interface Import {
  readonly file: string;
  readonly specifier: string;
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^'"\n;]*?(?:\{[^}]*\}[^'"\n;]*?)?from\s*'([^']+)'|(?:^|\n)\s*import\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/g;

/** The module specifiers a source text imports, statically or lazily. */
export function importsOf(text: string): string[] {
  return [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

export const show = (path: string): string => relative(ROOT, path);
