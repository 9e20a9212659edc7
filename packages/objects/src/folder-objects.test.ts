import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, test } from 'vitest';
import { ObjectCorruptError, ObjectNotFoundError } from './errors.ts';
import { openFolderObjects } from './folder-objects.ts';
import { TEMPORARY_AGE_MS } from './temporary-folder.ts';
import { noise, objectsRules } from './testing/index.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'slipway-objects-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

describe.each(['process', 'host'] as const)('objects in a folder, durability %s', (durability) => {
  test.each(objectsRules)('$name', async (rule) => {
    await rule.run(await openFolderObjects(join(home, 'objects'), { durability }));
  });
});

/** Every file outside the temporary folder whose bytes are not those its name promises. */
async function findBroken(directory: string): Promise<{ whole: string[]; broken: string[] }> {
  const whole: string[] = [];
  const broken: string[] = [];
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.parentPath.includes('.temporary')) continue;
    const hash = createHash('sha256')
      .update(await readFile(join(entry.parentPath, entry.name)))
      .digest('hex');
    (hash === entry.name ? whole : broken).push(entry.name);
  }
  return { whole, broken };
}

function runChild(script: string, inputs: readonly string[]) {
  const path = fileURLToPath(new URL(`./testing/${script}`, import.meta.url));
  return spawn(process.execPath, [path, ...inputs], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function temporaryFiles(directory: string): Promise<string[]> {
  const found = await readdir(join(directory, '.temporary'), { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

describe('OB2 a process killed while it puts', () => {
  test.each([1, 2, 3, 4, 5])('leaves no half-written object, loses no finished one, and its rest is swept: seed %i', async (seed) => {
    const directory = join(home, 'objects');
    const child = runChild('put-forever.ts', [directory, String(seed)]);
    let output = '';
    const ended = new Promise((resolve) => child.on('close', resolve));
    let isDoomed = false;
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
      // Not before the first is finished, however slow the machine is.
      if (isDoomed || !/^\w{64}\n/m.test(output)) return;
      isDoomed = true;
      setTimeout(() => child.kill('SIGKILL'), 60 + ((seed * 7919) % 240));
    });
    await ended;
    const finished = output.split('\n').filter((line) => line.length === 64);
    const { whole, broken } = await findBroken(directory);
    assert.deepEqual(broken, []);
    assert.ok(finished.length > 0, 'the child finished something before it was killed');
    assert.deepEqual(
      finished.filter((hash) => !whole.includes(hash)),
      [],
    );
    await openFolderObjects(directory);
    assert.deepEqual(await temporaryFiles(directory), []);
  });

  test('negative control: the search does see an object that is cut short', async () => {
    const objects = await openFolderObjects(join(home, 'objects'));
    const { sha256 } = await objects.put('alpha', noise(10_000, 1));
    const path = await objects.localPath('alpha', sha256);
    await chmod(path, 0o600);
    await truncate(path, 5_000);
    assert.deepEqual((await findBroken(join(home, 'objects'))).broken, [sha256]);
  });
});

test('OB7 a stream of 200 MB grows the process by less than 128 MB', async () => {
  const child = runChild('put-large.ts', [join(home, 'objects'), String(200_000_000)]);
  let output = '';
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
  });
  await new Promise((resolve) => child.on('close', resolve));
  const result = JSON.parse(output) as { sizeBytes: number; readBytes: number; grownBytes: number };
  assert.equal(result.sizeBytes, 200_000_000);
  assert.equal(result.readBytes, 200_000_000);
  assert.ok(result.grownBytes < 128_000_000, `grew by ${result.grownBytes} bytes`);
});

test('OB8 damaged bytes are an error that says so, from read and at the end of a stream', async () => {
  const objects = await openFolderObjects(join(home, 'objects'));
  const bytes = noise(300_000, 9);
  const { sha256 } = await objects.put('alpha', bytes);
  const path = await objects.localPath('alpha', sha256);
  await chmod(path, 0o600);
  bytes[299_999] = (bytes[299_999] as number) ^ 1;
  await writeFile(path, bytes);
  await assert.rejects(objects.read('alpha', sha256), ObjectCorruptError);
  await assert.rejects(async () => {
    for await (const piece of await objects.open('alpha', sha256)) assert.ok(piece.byteLength > 0);
  }, ObjectCorruptError);
  bytes[299_999] = (bytes[299_999] as number) ^ 1;
  await objects.put('alpha', bytes);
  assert.ok(Buffer.from(await objects.read('alpha', sha256)).equals(bytes), 'putting the bytes again mends the object');
});

test('OB5 a link put into the folder is not followed', async () => {
  const objects = await openFolderObjects(join(home, 'objects'));
  const hash = createHash('sha256').update('canary').digest('hex');
  await writeFile(join(home, 'canary'), 'canary');
  await mkdir(join(home, 'objects', 'alpha', hash.slice(0, 2)), { recursive: true });
  await symlink(join(home, 'canary'), join(home, 'objects', 'alpha', hash.slice(0, 2), hash));
  await assert.rejects(objects.read('alpha', hash), ObjectNotFoundError);
  await assert.rejects(objects.localPath('alpha', hash), ObjectNotFoundError);
  assert.equal(await objects.has('alpha', hash), false);
  assert.deepEqual((await objects.list('alpha', { limit: 5 })).items, []);
});

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

test('OB9 folders are private and objects read-only', async () => {
  const objects = await openFolderObjects(join(home, 'objects'));
  const { sha256 } = await objects.put('alpha', noise(10, 1));
  assert.equal(await modeOf(join(home, 'objects')), '700');
  assert.equal(await modeOf(join(home, 'objects', 'alpha')), '700');
  assert.equal(await modeOf(join(home, 'objects', 'alpha', sha256.slice(0, 2))), '700');
  assert.equal(await modeOf(await objects.localPath('alpha', sha256)), '400');
});

test('OB10 opening sweeps what dead processes and long-forgotten writers left, and nothing else', async () => {
  const directory = join(home, 'objects');
  const objects = await openFolderObjects(directory);
  const [fresh, old] = [await objects.temporaryPath('alpha'), await objects.temporaryPath('alpha')];
  await writeFile(fresh, 'being written');
  await writeFile(old, 'forgotten');
  const longAgo = new Date(Date.now() - TEMPORARY_AGE_MS - 60_000);
  await utimes(old, longAgo, longAgo);
  const leftBehind = join(directory, '.temporary', `${process.pid}-1000-0123456789ab`);
  const dead = join(directory, '.temporary', `4194303-${Date.now()}-0123456789ab`);
  const odd = join(directory, '.temporary', 'what-is-this');
  for (const folder of [leftBehind, dead, odd]) {
    await mkdir(folder);
    await writeFile(join(folder, 'rest'), 'rest');
  }

  await openFolderObjects(directory);

  assert.deepEqual((await temporaryFiles(directory)).toSorted(), [fresh.split('/').at(-1)]);
});

test('OB10 a folder that other machines share is not swept by what processes live here', async () => {
  const directory = join(home, 'objects');
  await openFolderObjects(directory, { isShared: true });
  const elsewhere = join(directory, '.temporary', `4194303-${Date.now()}-0123456789ab`);
  await mkdir(elsewhere);
  await writeFile(join(elsewhere, 'fresh'), 'x');
  await writeFile(join(elsewhere, 'old'), 'x');
  const longAgo = (Date.now() - TEMPORARY_AGE_MS - 60_000) / 1_000;
  await utimes(join(elsewhere, 'old'), longAgo, longAgo);
  await openFolderObjects(directory, { isShared: true });
  assert.deepEqual(await temporaryFiles(directory), ['fresh']);
  // The control: as the folder of one machine, nobody there has the number.
  await openFolderObjects(directory);
  assert.deepEqual(await temporaryFiles(directory), []);
});
