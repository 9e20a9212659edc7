import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'vitest';
import { type Workspace, importsOf, readWorkspaces, show, sourceFiles } from './house.ts';

/** Libraries that exactly these workspaces may import, so that an engine can be replaced in one place. */
const SOLE_IMPORTERS: Readonly<Record<string, readonly string[]>> = {
  '@dbos-inc/dbos-sdk': ['@slipway/workflows'],
  '@duckdb/node-api': ['@slipway/data', '@slipway/telemetry'],
  'onnxruntime-node': ['@slipway/models'],
  '@electric-sql/pglite': ['@slipway/records'],
  hono: ['@slipway/server'],
};

const isTest = (file: string) => /\.test\.ts$|\/testing\//.test(file);
/** The published shapes of a workspace: `./contract`, or `./rollout-contract` where there are several. */
const CONTRACT = /^\.\/(?:[a-z]+-)*contract$/;

/** What is wrong with one import of one file, or undefined. */
export function judgeImport(from: Workspace, file: string, specifier: string, all: ReadonlyMap<string, Workspace>): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return undefined;
  const parts = specifier.split('/');
  const packageName = specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
  const soleImporters = SOLE_IMPORTERS[packageName];
  if (soleImporters && !soleImporters.includes(from.name) && !isTest(file))
    return `${packageName} may only be imported by ${soleImporters.join(' and ')}`;
  const target = all.get(packageName);
  if (!target) return undefined;
  const declared = from.dependencies.has(packageName) || (isTest(file) && from.devDependencies.has(packageName));
  if (packageName !== from.name && !declared) return `${packageName} is not declared in ${from.name}'s package.json`;
  if (packageName !== from.name && target.layer >= from.layer)
    return `${packageName} (layer ${target.layer}) is not below ${from.name} (layer ${from.layer})`;
  const subpath = specifier === packageName ? '.' : `.${specifier.slice(packageName.length)}`;
  if (!target.exports.has(subpath)) return `${specifier} is not among the exports of ${packageName}`;
  if (from.name === '@slipway/client' && !isTest(file) && packageName !== '@slipway/kernel' && !CONTRACT.test(subpath)) {
    return `the client may import only contracts, not ${specifier}`;
  }
  return undefined;
}

const workspaces = readWorkspaces();
const byName = new Map(workspaces.map((workspace) => [workspace.name, workspace]));

test('every import is declared, points to a lower layer and uses only public exports', () => {
  const problems = workspaces.flatMap((workspace) =>
    sourceFiles(workspace.directory).flatMap((file) =>
      importsOf(readFileSync(file, 'utf8')).flatMap((specifier) => {
        const problem = judgeImport(workspace, file, specifier, byName);
        return problem ? [`${show(file)}: ${problem}`] : [];
      }),
    ),
  );
  assert.deepEqual(problems, []);
});

test('every workspace declares its layer', () => {
  assert.deepEqual(
    workspaces.filter((workspace) => !Number.isInteger(workspace.layer)).map((workspace) => workspace.name),
    [],
  );
});

test('the judge finds an upward import, an undeclared one, a private file and a borrowed engine (negative control)', () => {
  const low: Workspace = {
    name: '@t/low',
    directory: '',
    layer: 1,
    dependencies: new Set(['@t/high']),
    devDependencies: new Set(),
    exports: new Set(['.']),
  };
  const high: Workspace = { ...low, name: '@t/high', layer: 2, dependencies: new Set(['@t/low']) };
  const all = new Map([low, high].map((workspace) => [workspace.name, workspace]));
  assert.match(judgeImport(low, 'src/a.ts', '@t/high', all) ?? '', /not below/);
  assert.match(judgeImport({ ...high, dependencies: new Set() }, 'src/a.ts', '@t/low', all) ?? '', /not declared/);
  assert.match(judgeImport(high, 'src/a.ts', '@t/low/src/internal.ts', all) ?? '', /not among the exports/);
  assert.match(judgeImport(high, 'src/a.ts', 'onnxruntime-node', all) ?? '', /may only be imported/);
  assert.equal(judgeImport(high, 'src/a.ts', '@t/low', all), undefined);
  assert.deepEqual(importsOf("import { a } from './a.ts';\nimport type { B } from '@t/low';\nconst c = await import('x');"), [
    './a.ts',
    '@t/low',
    'x',
  ]);
});
