import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, test } from 'vitest';
import { objectOf, runCommand } from './testing/run-command.ts';

const folder = mkdtempSync(join(tmpdir(), 'slipway-usage-'));
const home = join(folder, 'home');
const file = join(folder, 'rows.csv');
writeFileSync(file, 'a,b\n1,2\n');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const COMMANDS =
  'up quickstart launch apply predict rollback monitor audit erase runs versions releases datasets backup restore doctor keys'.split(' ');

describe('the command line before it reaches a server', () => {
  test('--help names every command on stdout, each of which explains itself', async () => {
    const { code, stdout, stderr } = await runCommand(['--help']);
    assert.deepEqual([code, stderr], [0, '']);
    for (const command of COMMANDS) {
      assert.match(stdout, new RegExp(`^  ${command}\\b`, 'm'), command);
      const help = await runCommand([command, '--help']);
      assert.equal(help.code, 0, command);
      assert.match(help.stdout, new RegExp(`^Usage: slipway ${command}`), command);
      assert.match(help.stdout, /--json/, command);
    }
    assert.equal((await runCommand(['--version'])).stdout, '0.1.0\n');
  });

  test('a reader that goes away before the end, such as head, is no error', async () => {
    const main = fileURLToPath(new URL('main.ts', import.meta.url));
    const child = spawn(process.execPath, [main, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let told = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (told += text));
    const [code] = (await once(child, 'close')) as [number];
    assert.deepEqual([code, told], [0, '']);
  });

  /** What is typed wrong: the arguments, and what must be said. */
  const wrong: readonly [string, readonly string[], RegExp][] = [
    ['an unknown command', ['lanch'], /unknown command 'lanch'.*launch/s],
    ['an unknown flag', ['releases', '--jsn'], /unknown option '--jsn'.*--json/s],
    ['an unknown flag of launch', ['launch', file, '--target', 'b', '--secnds', '3'], /unknown option '--secnds'.*--seconds/s],
    ['a missing file', ['launch', '--target', 'b'], /missing required argument 'file'/],
    ['a missing target', ['launch', file], /required option '--target <column>' not specified/],
    ['a flag without its value', ['launch', file, '--target'], /'--target <column>' argument missing/],
    ['too many arguments', ['rollback', 'a', 'b'], /too many arguments/],
    ['no command', [], /Usage: slipway.*No command was named/s],
    ['half a command', ['audit'], /Usage: slipway audit.*No command was named/s],
    ['a word for a number', ['launch', file, '--target', 'b', '--seconds', 'soon'], /--seconds must be a number from 0\.1 .*"soon"/],
    ['a number out of range', ['rollback', 'x', '--to', '0'], /--to must be a whole number from 1/],
    ['a role that is none', ['launch', file, '--target', 'b', '--as', 'a=colour'], /--as wants column=role.*categorical/s],
    [
      'a task that is none',
      ['launch', file, '--target', 'b', '--task', 'guess'],
      /--task must be one of binary, .*forecast.*cluster.*"guess"/,
    ],
    ['an order of dates that is none', ['launch', file, '--target', 'b', '--dates', 'dmy'], /--dates must be day-first or month-first/],
    ['a header that is neither there nor not', ['predict', 'x', file, '-o', 'y.csv', '--header', 'si'], /--header must be yes or no/],
    ['a strategy that is none', ['launch', file, '--target', 'b', '--split', 'best'], /--strategy|--split.*stratified/],
    ['a name that is none', ['launch', file, '--target', 'b', '--name', 'My Model'], /--name: use 1 to 64 of a-z/],
    ['a policy that is none', ['launch', file, '--target', 'b', '--recording', 'some'], /--recording.*full/s],
    ['a port that is none', ['up', '--port', 'seven'], /--port .*"seven"/],
    ['an address that is none', ['runs', '--url', 'localhost'], /--url .*"localhost"/],
    ['rows that are no JSON', ['predict', 'x', '{age:3}'], /JSON/],
    ['an erasure of nobody', ['erase'], /required option '--subject <id>'/],
  ];

  test.each(wrong)('%s ends with 2 and says what is meant', async (_what, args, said) => {
    const ended = await runCommand([...args, '--home', home]);
    assert.equal(ended.code, 2, ended.stderr);
    assert.equal(ended.stdout, '', 'data only on stdout');
    assert.match(ended.stderr, said);
    assert.match(ended.stderr, /^error\[[a-z]+\/[a-z-]+\]: /m);
    assert.match(ended.stderr, /^ {2}try: /m);
    assert.doesNotMatch(ended.stderr, /^\s+at |undefined/m);
    const { error } = objectOf<{ error: { kind: string } }>(await runCommand([...args, '--home', home, '--json']), 2);
    assert.equal(error.kind, 'invalid');
  });

  test('what is not there ends with 5 before anything is started: a definition, a backup, rows, data', async () => {
    const apply = await runCommand(['apply', join(folder, 'none.config.ts'), '--home', home]);
    assert.equal(apply.code, 5);
    assert.match(apply.stderr, /none\.config\.ts.*slipway launch FILE/s);
    const none = join(folder, 'none');
    for (const args of [
      ['restore', none],
      ['predict', 'x', `@${none}`],
      ['launch', none, '--target', 'b'],
      ['launch', file, '--target', 'b', '--test', none],
    ]) {
      const ended = await runCommand([...args, '--home', home]);
      assert.equal(ended.code, 5, ended.stderr);
      assert.ok(ended.stderr.includes(`There is no file "${none}".\n  try: Check the path`), ended.stderr);
    }
  });

  test('a definition that does not load is explained by its own words', async () => {
    const config = async (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      const ended = await runCommand(['apply', join(folder, name), '--home', home]);
      assert.equal(ended.code, 2, ended.stderr);
      assert.doesNotMatch(ended.stderr, /^\s+at /m);
      return ended.stderr;
    };
    assert.match(await config('empty.config.ts', 'export {};'), /default export.*defineProject/s);
    assert.match(await config('broken.config.ts', 'export const a = 1;\nexport default (;'), /broken\.config\.ts" cannot be loaded/);
    assert.match(await config('throws.config.ts', "throw new Error('no such thing')"), /no such thing/);
  });

  test('a key that is too short is refused without being shown', async () => {
    const ended = await runCommand(['runs', '--home', home], { SLIPWAY_KEY: 'short-secret' });
    assert.equal(ended.code, 2);
    assert.match(ended.stderr, /SLIPWAY_KEY needs 32 characters or more/);
    assert.doesNotMatch(ended.stderr, /short-secret/);
  });

  test('nobody at the address is said as such, and ends with 7', async () => {
    const ended = await runCommand(['runs', '--url', 'http://127.0.0.1:9', '--home', home]);
    assert.equal(ended.code, 7);
    assert.match(ended.stderr, /No Slipway server answers at http:\/\/127\.0\.0\.1:9.*slipway up/s);
  });

  test('the check of one JSON object can fail', () => {
    assert.deepEqual(objectOf({ code: 0, stdout: '{"a":1}\n', stderr: '' }), { a: 1 });
    assert.throws(() => objectOf({ code: 0, stdout: 'progress\n{"a":1}\n', stderr: '' }), /not one line/);
    assert.throws(() => objectOf({ code: 0, stdout: '{"a":1}\n{"b":1}\n', stderr: '' }));
    assert.throws(() => objectOf({ code: 3, stdout: '{"a":1}\n', stderr: '' }), /exit code 3/);
  });

  test('none of this made a home', () => {
    assert.ok(!readdirSync(folder).includes('home'));
  });
});
