import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type ServerProcess, type Where, endAll, runCli, startServerProcess, temporaryHome } from '../faults/server-process.ts';
import { badFiles, goodTable } from './bad-files.ts';
import { type Holdings, holdingsOf } from './leftovers.ts';
import { assertCommandRefused } from './refusals.ts';

const SECONDS = '0.5';

describe('bad input at the command line', () => {
  let folder: string;
  let where: Where;
  let server: ServerProcess;
  let before: Holdings;
  let removeHome: () => Promise<void>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-bad-input-'));
    const { home, remove } = await temporaryHome();
    [where, removeHome] = [{ home }, remove];
    server = await startServerProcess(where);
    before = await holdingsOf(server.client, home);
  });
  afterAll(async () => {
    await endAll();
    await removeHome?.();
    await rm(folder, { recursive: true, force: true });
  });

  const launch = async (path: string, target: string, flags: readonly string[] = []) =>
    runCli(where, ['launch', path, '--target', target, '--json', '--name', 'bad', '--seconds', SECONDS, ...flags]);

  async function assertNothingLeft(): Promise<void> {
    assert.deepEqual(await holdingsOf(server.client, where.home), before);
    const partial = (await readdir(folder, { recursive: true })).filter((name) => /partial|tmp/.test(name));
    assert.deepEqual(partial, []);
  }

  test.each(badFiles)(
    '$what is refused in words, and leaves nothing behind',
    async ({ bytes, name = 'data.csv', target = 'left', flags, expected }) => {
      const path = join(await mkdtemp(join(folder, 'case-')), name);
      await writeFile(path, bytes());
      assertCommandRefused(await launch(path, target, flags), expected);
      await assertNothingLeft();
    },
  );

  test('a missing file, a folder and an unreadable file are named', async () => {
    assertCommandRefused(await launch(join(folder, 'none.csv'), 'left'), { kind: 'notFound', says: [/none\.csv/] });
    await mkdir(join(folder, 'folder.csv'));
    assertCommandRefused(await launch(join(folder, 'folder.csv'), 'left'), { kind: 'invalid', says: [/folder\.csv/, /folder/] });
    const locked = join(folder, 'locked.csv');
    await writeFile(locked, goodTable());
    await chmod(locked, 0o000);
    // Root reads whatever it wants.
    if (process.getuid?.() !== 0) assertCommandRefused(await launch(locked, 'left'), { kind: 'invalid', says: [/locked\.csv/, /read/] });
    await assertNothingLeft();
  });

  test('a good file passes where the bad ones were refused, so the checks can tell', async () => {
    const path = join(folder, 'good.csv');
    await writeFile(path, goodTable());
    const ended = await launch(path, 'left', ['--force']);
    assert.equal(ended.code, 0, ended.stderr);
    assert.throws(() => assertCommandRefused(ended, { kind: 'invalid', says: [] }));
    await assert.rejects(assertNothingLeft(), /AssertionError|deep/i);
  });
});
