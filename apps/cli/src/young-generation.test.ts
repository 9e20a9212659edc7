import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'vitest';
import { servingFlags } from './young-generation.ts';

test('a server gets a larger young generation once, and keeps the flags that it was given', () => {
  assert.deepEqual(servingFlags(['--home', 'x', 'up'], ['--cpu-prof']), ['--max-semi-space-size=32', '--cpu-prof']);
  assert.equal(servingFlags(['up'], ['--max-semi-space-size=32']), undefined);
  assert.equal(servingFlags(['up'], ['--max_semi_space_size=8']), undefined, 'whoever chose a size keeps it');
  assert.equal(servingFlags(['launch', 'data.csv'], []), undefined, 'other commands start as they are');
});

test('a process becomes the server under its own process id, with its arguments', { skip: process.platform === 'win32' }, () => {
  const program = `
    import { becomeServer } from ${JSON.stringify(new URL('./young-generation.ts', import.meta.url).href)};
    const before = process.env.FIRST_PID;
    process.env.FIRST_PID ??= String(process.pid);
    becomeServer(['up']);
    console.log(JSON.stringify({ same: before === String(process.pid), flags: process.execArgv.slice(0, 1), rest: process.argv.slice(1) }));`;
  const { FIRST_PID: _pid, NODE_OPTIONS: _options, ...env } = process.env;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program, 'one', 'two'], { env, encoding: 'utf8' });
  assert.deepEqual(JSON.parse(child.stdout), { same: true, flags: ['--max-semi-space-size=32'], rest: ['one', 'two'] }, child.stderr);
});
