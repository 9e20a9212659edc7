import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { quickstartExample } from '@slipway/project/quickstart';
import { afterAll, beforeAll, describe, test } from 'vitest';
import {
  type Ended,
  type Installed,
  ROOT,
  endPrograms,
  execute,
  findOldNode,
  installPackage,
  startProgram,
  strangersEnvironment,
} from './installed.ts';

const KEY = 'package-test-key-0123456789-0123456789';
const OLDER_THAN_NEEDED = 23;

interface Launched {
  readonly release: { readonly name: string; readonly revision: number } | null;
  readonly version: string;
  readonly created: boolean;
  readonly gates: readonly { readonly passed: boolean }[];
}

describe('the package in an empty folder', () => {
  let installed: Installed;
  beforeAll(async () => {
    installed = await installPackage();
    await copyFile(join(installed.location, 'quickstart/breast-cancer.csv'), join(installed.folder, 'cancer.csv'));
  });
  afterAll(async () => {
    await endPrograms();
    await installed?.remove();
  });

  const slipway = (...args: readonly string[]): Promise<Ended> =>
    execute('npx', ['slipway', ...args], { cwd: installed.folder, env: { SLIPWAY_KEY: KEY } });

  const objectOf = <T>(ended: Ended, code = 0): T => {
    assert.equal(ended.code, code, ended.stderr);
    return JSON.parse(ended.stdout) as T;
  };

  test('it holds JavaScript, nothing of this repository but what it needs, and no path of this machine', async () => {
    const files = await readdir(installed.location, { recursive: true });
    assert.deepEqual(
      files.filter((file) => file.endsWith('.ts')),
      ['index.d.ts'],
    );
    for (const needed of ['README.md', 'LICENSE', 'dist/main.js', 'dist/pglite-worker.js', 'quickstart/ATTRIBUTION.md'])
      assert.ok(files.includes(needed), needed);
    for (const file of files.filter((each) => each.endsWith('.js'))) {
      const text = await readFile(join(installed.location, file), 'utf8');
      assert.ok(!text.includes(ROOT.replace(/\/$/, '')), `${file} names a folder of this machine`);
      assert.doesNotMatch(text, /(?:from|import\() ?["']@slipway\//, `${file} imports what is not published`);
    }
  });

  test('launch, apply and apply again: one release, and nothing new', async () => {
    const launched = objectOf<Launched>(
      await slipway('launch', 'cancer.csv', '--target', 'diagnosis', '--seconds', '2', '--save', '--json'),
    );
    assert.deepEqual([launched.release?.name, launched.release?.revision, launched.created], ['cancer', 1, true]);
    assert.ok(launched.gates.every((gate) => gate.passed));
    const saved = await readFile(join(installed.folder, 'slipway.config.ts'), 'utf8');
    assert.match(saved, /from 'slipway'/);
    const { applied } = objectOf<{ applied: Launched[] }>(await slipway('apply', '--json'));
    assert.deepEqual(
      applied.map(({ version, created, release }) => [version, created, release?.revision]),
      [[launched.version, false, 1]],
    );
  });

  test('a definition written by hand imports slipway, has types, and is applied', async () => {
    const path = join(installed.folder, 'by-hand.config.ts');
    await writeFile(path, BY_HAND);
    const compiled = await execute(
      join(ROOT, 'node_modules/.bin/tsc'),
      ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', '', '--ignoreConfig', path],
      { cwd: installed.folder },
    );
    assert.equal(compiled.code, 0, compiled.stdout);
    const wrong = join(installed.folder, 'wrong.config.ts');
    await writeFile(wrong, BY_HAND.replace("target: 'diagnosis'", 'target: 5'));
    const refused = await execute(
      join(ROOT, 'node_modules/.bin/tsc'),
      ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', '', '--ignoreConfig', wrong],
      { cwd: installed.folder },
    );
    assert.match(refused.stdout, /wrong\.config\.ts.*TS2(?:322|769)/, 'the types can tell');
    const { project, applied } = objectOf<{ project: string; applied: Launched[] }>(await slipway('apply', 'by-hand.config.ts', '--json'));
    assert.deepEqual([project, applied[0]?.release?.name], ['clinic', 'by-hand']);
  });

  test('the server answers a prediction over HTTP, and stops when told', async () => {
    // What npx runs; npx itself does not hand on a SIGTERM.
    const programs = join(installed.folder, 'node_modules/.bin');
    await serveAndPredict(join(programs, 'slipway'), [], { PATH: `${programs}${delimiter}${strangersEnvironment()['PATH'] ?? ''}` });
  });

  test('an older Node runs it on the runtime that came along, signals and exit codes included', async (context) => {
    const old = await findOldNode(OLDER_THAN_NEEDED);
    if (old === undefined) return context.skip('this machine has no Node older than the package needs');
    const bin = join(installed.location, 'bin/slipway.js');
    assert.equal((await execute(old, [bin, '--version'], { cwd: installed.folder })).stdout, '0.1.0\n');
    assert.equal((await execute(old, [bin, 'lanch'], { cwd: installed.folder })).code, 2);
    await serveAndPredict(old, [bin]);
  });

  test('an older Node without that runtime is told what to do', async (context) => {
    const old = await findOldNode(OLDER_THAN_NEEDED);
    if (old === undefined) return context.skip('this machine has no Node older than the package needs');
    const alone = join(dirname(installed.folder), 'alone');
    await mkdir(join(alone, 'bin'), { recursive: true });
    await copyFile(join(installed.location, 'bin/slipway.js'), join(alone, 'bin/slipway.js'));
    await writeFile(join(alone, 'package.json'), '{"type":"module"}');
    const ended = await execute(old, [join(alone, 'bin/slipway.js'), '--version'], { cwd: alone });
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /needs Node 24 or newer; this is \d+\.\d+/);
    assert.match(ended.stderr, /npm install node@24/);
    assert.doesNotMatch(ended.stderr, /^\s+at /m);
  });

  async function serveAndPredict(file: string, args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<void> {
    const env = { SLIPWAY_KEY: KEY, ...more };
    const server = await startProgram(file, [...args, 'up', '--port', '0', '--json'], { cwd: installed.folder, env });
    const { url } = JSON.parse(server.firstLine) as { url: string };
    const reply = await fetch(`${url}/v1/releases/cancer/predict`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({ rows: [quickstartExample()] }),
    });
    const body = (await reply.json()) as { release: string; revision: number; predictions: { prediction: string }[] };
    assert.deepEqual([reply.status, body.release, body.revision, body.predictions[0]?.prediction], [200, 'cancer', 1, 'malignant']);
    assert.equal(await server.stop(), 0);
    await assert.rejects(fetch(`${url}/health`), 'nothing is left running');
  }
});

const BY_HAND = `import { auto, csv, dataset, defineProject, metric, model, release } from 'slipway';

const cells = dataset('cells', { source: csv('./cancer.csv'), exclude: ['worst_area'] });
const byHand = model('by-hand', {
  from: cells,
  target: 'diagnosis',
  positive: 'malignant',
  train: auto({ seconds: 1 }),
  gates: [metric('roc_auc').atLeast(0.9), metric('roc_auc').betterThan('baseline')],
});

export default defineProject('clinic', [cells, byHand, release('by-hand', { serve: byHand })]);
`;
