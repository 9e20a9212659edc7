import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'vitest';
import { ROOT, readWorkspaces } from './house.ts';

interface LockEntry {
  readonly version?: string;
  readonly link?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly license?: string;
}

type Lock = Readonly<Record<string, LockEntry>>;

const lock = (JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as { packages: Lock }).packages;

/** Optional platform packages that a dependency names and the lock file lacks: `npm ci` elsewhere would miss them. */
export function missingPlatforms(packages: Lock): string[] {
  const known = new Set(Object.keys(packages).map((path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)));
  return Object.entries(packages).flatMap(([path, entry]) =>
    Object.keys(entry.optionalDependencies ?? {})
      .filter((name) => !known.has(name))
      .map((name) => `${path}: ${name}`),
  );
}

test('the lock file holds the platform packages of every dependency, for Linux and for a Mac', () => {
  assert.deepEqual(missingPlatforms(lock), []);
  for (const name of [
    '@duckdb/node-bindings-darwin-arm64',
    '@duckdb/node-bindings-linux-x64',
    '@esbuild/darwin-arm64',
    '@oxlint/binding-darwin-arm64',
  ]) {
    assert.ok(lock[`node_modules/${name}`], `${name} is in the lock file`);
  }
});

test('a lock file that lacks a platform package is found (negative control)', () => {
  const broken = { 'node_modules/a': { optionalDependencies: { 'a-linux': '1', 'a-darwin': '1' } }, 'node_modules/a-linux': {} };
  assert.deepEqual(missingPlatforms(broken), ['node_modules/a: a-darwin']);
});

const FORBIDDEN_LICENSE = /AGPL|BUSL|BSL-1\.1|SSPL|(?<!L)GPL/i;

test('no dependency comes under a licence that we do not accept', () => {
  const refused = Object.entries(lock).flatMap(([path, { license }]) =>
    license !== undefined && FORBIDDEN_LICENSE.test(license) && !/ OR /.test(license) ? [`${path}: ${license}`] : [],
  );
  assert.deepEqual(refused, []);
  assert.match('AGPL-3.0', FORBIDDEN_LICENSE);
});

test('every workspace carries the version that the program says', () => {
  const source = readFileSync(join(ROOT, 'apps/server/src/version.ts'), 'utf8');
  const version = /VERSION = '([^']+)'/.exec(source)?.[1];
  const versions = readWorkspaces().map(
    ({ directory }) => (JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { version: string }).version,
  );
  assert.deepEqual([...new Set(versions)], [version]);
});
