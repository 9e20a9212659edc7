import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningServer, startServer } from '@slipway/server';
import { prepareTestHome } from '@slipway/server/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { objectOf, runCommand } from './testing/run-command.ts';

const KEY = 'report-test-key-0123456789-0123456789-012';

/** Names and labels that would be markup if a page took them as they are. */
const COLUMN = '<script>alert(1)</script>';
const LABEL = '<b>yes</b>';

function hostileTable(): string {
  const lines = Array.from({ length: 300 }, (_, row) => {
    const size = (row * 37) % 101;
    const word = ['<img src=x onerror=alert(2)>', 'plain', 'R&D'][row % 3] as string;
    return `${size},${word},${(row * 13) % 17},${size + ((row * 7) % 23) > 60 ? LABEL : 'no'}`;
  });
  return [`${COLUMN},word,other,y`, ...lines, ''].join('\n');
}

describe('reports and cards over a running server', () => {
  let folder: string;
  let server: RunningServer;
  let version: string;
  const run = (...args: string[]) => runCommand(args, { SLIPWAY_URL: server.url ?? '', SLIPWAY_KEY: KEY });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-report-'));
    await writeFile(join(folder, 'parts.csv'), hostileTable());
    await prepareTestHome(join(folder, 'home'));
    server = await startServer({ home: join(folder, 'home'), port: 0, listen: true, adminKey: KEY, log: () => {} });
    const launched = await run('launch', join(folder, 'parts.csv'), '--target', 'y', '--seconds', '1', '--force', '--json');
    ({ version } = objectOf<{ version: string }>(launched));
  }, 120_000);
  afterAll(async () => {
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('a report is found by name and by version, and its JSON says its format', async () => {
    const byName = objectOf<{ format: string; target: string }>(await run('report', 'parts', '--json'));
    assert.deepEqual(objectOf(await run('report', version, '--json')), byName);
    assert.deepEqual([byName.format, byName.target], ['slipway.report/1', 'y']);
    const markdown = await run('report', 'parts');
    assert.equal(markdown.code, 0);
    assert.match(markdown.stdout, /roc_auc/);
  });

  test('the page is one file without scripts or links, and what the data says in it stays text', async () => {
    const file = join(folder, 'report.html');
    assert.equal((await run('report', 'parts', '--html', file)).code, 0);
    const page = await readFile(file, 'utf8');
    assert.match(page, /<svg/);
    assert.match(page, /default-src 'none'/);
    assert.ok(page.includes('&#60;script&#62;alert(1)'), 'the column is named');
    const own = page.replaceAll('http://www.w3.org/2000/svg', '');
    for (const markup of ['<script', '<img', LABEL, 'http://', 'https://']) assert.ok(!own.includes(markup), `the page holds ${markup}`);
  });

  test('models and datasets have cards, by name and by version', async () => {
    const card = await run('report', 'parts', '--card');
    assert.equal(card.code, 0, card.stderr);
    assert.equal((await run('report', version, '--card')).stdout, card.stdout);
    assert.match(card.stdout, new RegExp(version));
    const { items } = objectOf<{ items: { id: string; kind: string }[] }>(await run('datasets', '--json'));
    const dataset = items[0]?.id ?? '';
    const data = await run('report', dataset, '--card');
    assert.equal(data.code, 0, data.stderr);
    assert.match(data.stdout, /300/);
  });

  test('an unknown name is a clear refusal', async () => {
    for (const flags of [[], ['--card']]) {
      const ended = await run('report', 'nothing', ...flags);
      assert.equal(ended.code, 5);
      assert.match(ended.stderr, /There is no (report|version) "?nothing/);
    }
  });
});
