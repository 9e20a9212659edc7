import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/**
 * Builds the public package in `dist/package`: one bundle of our own sources, with every dependency left to npm. Node
 * refuses TypeScript under node_modules, so what is published is JavaScript.
 */
const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '../..');
const target = join(here, 'dist/package');

interface Manifest {
  name: string;
  version: string;
  description: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

const readManifest = async (folder: string) => JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest;
const folders = ['packages', 'apps'].flatMap((group) => readdirSync(join(root, group)).map((name) => join(root, group, name)));
const manifests = await Promise.all(folders.map(readManifest));

/** Every file that a worker thread starts from must lie beside the bundle under its own name. */
function workerEntries(): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(folder, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('-worker.ts') && !file.includes('testing'))
      .map((file) => join(folder, 'src', file)),
  );
}

const workers = workerEntries();
const names = workers.map((file) => basename(file, '.ts'));
const repeated = names.filter((name, index) => names.indexOf(name) !== index);
if (repeated.length > 0) throw new Error(`Two workers share a name: ${repeated.join(', ')}`);

await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
await build({
  entryPoints: {
    main: join(root, 'apps/cli/src/main.ts'),
    index: join(here, 'src/index.ts'),
    ...Object.fromEntries(workers.map((file) => [basename(file, '.ts'), file])),
  },
  outdir: join(target, 'dist'),
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  chunkNames: 'chunk-[hash]',
  sourcemap: false,
  legalComments: 'none',
  logLevel: 'warning',
  plugins: [
    {
      name: 'ours-inside-theirs-outside',
      setup({ onResolve }) {
        onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
          kind === 'entry-point' || path.startsWith('@slipway/') ? undefined : { path, external: true },
        );
      },
    },
  ],
});

const own = await readManifest(here);
const dependencies = Object.assign({}, ...manifests.map((manifest) => manifest.dependencies ?? {})) as Record<string, string>;
const published = Object.fromEntries(
  Object.entries(dependencies)
    .filter(([name]) => !name.startsWith('@slipway/'))
    .toSorted(),
);
const runtime = (await readManifest(root)).devDependencies?.['node'] ?? '24';
await writeFile(
  join(target, 'package.json'),
  `${JSON.stringify(
    {
      name: own.name,
      version: own.version,
      description: own.description,
      license: 'Apache-2.0',
      type: 'module',
      engines: { node: '>=20' },
      bin: { slipway: 'bin/slipway.js' },
      scripts: { preinstall: 'node bin/preinstall.js' },
      exports: { '.': { types: './index.d.ts', default: './dist/index.js' } },
      files: ['bin', 'dist', 'quickstart', 'index.d.ts'],
      dependencies: published,
      optionalDependencies: { node: runtime },
    },
    null,
    2,
  )}\n`,
);
await cp(join(here, 'bin'), join(target, 'bin'), { recursive: true });
await cp(join(root, 'packages/project/quickstart'), join(target, 'quickstart'), { recursive: true });
for (const file of ['LICENSE', 'README.md', 'CHANGELOG.md']) await cp(join(root, file), join(target, file));
await cp(join(here, 'index.d.ts'), join(target, 'index.d.ts'));
console.log(target);
