import assert from 'node:assert/strict';
import { test } from 'vitest';
import type { Output } from './output.ts';
import { createProgress } from './progress.ts';

function captured(live: boolean) {
  const lines: string[] = [];
  const output: Output = { json: false, live, data: () => {}, note: (text) => lines.push(text), progress: (text) => lines.push(text) };
  let now = 0;
  return { lines, progress: createProgress(output, () => now), advance: (byMs: number) => (now += byMs) };
}

test('without a terminal a phase is one line, and another one every ten seconds, never a bar', () => {
  const { lines, progress, advance } = captured(false);
  progress.update({ phase: 'train', ratio: 0.1 });
  advance(3_000);
  progress.update({ phase: 'train', ratio: 0.2 });
  advance(8_000);
  progress.update({ phase: 'train', ratio: 0.5, message: 'trees' });
  progress.update({ phase: 'done' });
  progress.end();
  assert.deepEqual(lines, ['train        10 %', 'train        50 %  11 s left  trees', 'done      ']);
});

test('on a terminal the line is redrawn with a bar, and ended before the next phase', () => {
  const { lines, progress } = captured(true);
  progress.update({ phase: 'train', ratio: 0.5 });
  progress.update({ phase: 'done' });
  progress.end();
  assert.ok(lines[0]?.startsWith(`\r\u001b[2K${'train'.padEnd(10)}  ${'█'.repeat(12)}${'░'.repeat(12)}`), JSON.stringify(lines[0]));
  assert.deepEqual([lines[1], lines.at(-1)], ['\n', '\n']);
});
