import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as define from '@slipway/project/define';
import { test } from 'vitest';
import * as published from './index.ts';

/** Functions of the definition module that read definitions instead of writing them. */
const READERS = ['isProjectDefinition', 'planLaunches', 'planModelLaunches', 'readRuleFile', 'renderConfig', 'renderModelConfig'];

const functionsOf = (module: object) =>
  Object.entries(module)
    .filter(([, value]) => typeof value === 'function')
    .map(([name]) => name)
    .toSorted();

test('everything a definition is written with is published, so that a saved configuration can be loaded', () => {
  assert.deepEqual(
    functionsOf(published),
    functionsOf(define).filter((name) => !READERS.includes(name)),
  );
});

test('the declarations name what is published, and nothing else', () => {
  const text = readFileSync(new URL('../index.d.ts', import.meta.url), 'utf8');
  const declared = [...text.matchAll(/^export declare function (\w+)/gm)].map((match) => match[1]);
  assert.deepEqual([...new Set(declared)].toSorted(), functionsOf(published));
});
