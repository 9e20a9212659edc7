import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LaunchResult } from '@slipway/project/contract';
import { type RunningServer, startServer } from '@slipway/server';
import { prepareTestHome } from '@slipway/server/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { objectOf, runCommand } from './testing/run-command.ts';

const KEY = 'cli-conduct-key-0123456789-0123456789-01';
const ROWS = 900;

/** Loans: income decides, and one group earns less, so that a model without the group's column still selects it less. */
function loans(): string {
  // The minimal standard generator: enough for a table that is the same every time.
  let state = 4_242;
  const next = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  const lines = Array.from({ length: ROWS }, (_, row) => {
    const group = row % 2 === 0 ? 'north' : 'south';
    const income = 20 + Math.round(40 * next()) + (group === 'north' ? 15 : 0);
    const repaid = income + 30 * (next() + next() - 1) > 47;
    return `${group},${income},${['flat', 'house'][Math.floor(2 * next())]},${repaid ? 'yes' : 'no'}`;
  });
  return ['region,income,home,repaid', ...lines, ''].join('\n');
}

describe('a launch that looks at groups', () => {
  let folder: string;
  let home: string;
  let server: RunningServer;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-conduct-'));
    home = join(folder, 'home');
    await writeFile(join(folder, 'loans.csv'), loans());
    await prepareTestHome(home);
    server = await startServer({ home, port: 0, listen: true, adminKey: KEY, log: () => {} });
  });
  afterAll(async () => {
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const slipway = (...args: readonly string[]) => runCommand([...args, '--home', home], { SLIPWAY_KEY: KEY });
  const launch = (...flags: readonly string[]) =>
    slipway(
      'launch',
      join(folder, 'loans.csv'),
      '--target',
      'repaid',
      '--exclude',
      'region',
      '--seconds',
      '1',
      '--seed',
      '3',
      '--json',
      ...flags,
    );
  const parity = ({ fairness }: LaunchResult) =>
    fairness?.disparities.find((each) => each.measure === 'demographic_parity_ratio')?.value ?? Number.NaN;

  test('a gate about a group fails a model that never saw its column', async () => {
    const result = objectOf<LaunchResult>(await launch('--fair', 'region=0.8'), 3);
    assert.equal(result.release, null);
    assert.ok(parity(result) < 0.8, `ratio ${parity(result)}`);
    assert.equal(result.gates.find((gate) => gate.name.includes('region'))?.passed, false);
    assert.equal(result.fairness?.warnings.length, 1);
    assert.deepEqual(result.fairness?.mitigations.map((each) => each.method).toSorted(), ['reweighing', 'thresholds', 'thresholds']);
    assert.ok((result.robustness?.tests.length ?? 0) > 5);
    assert.ok(Array.isArray(result.slices));
  });

  test('thresholds by group pass it, and are what the release decides by', async () => {
    const result = objectOf<LaunchResult>(await launch('--fair', 'region=0.8', '--mitigate', 'thresholds'));
    assert.ok(parity(result) >= 0.8, `ratio ${parity(result)}`);
    const applied = result.fairness?.mitigations.find((each) => each.applied);
    assert.equal(applied?.method, 'thresholds');
    assert.ok(Number.isFinite(applied?.price.value));
    assert.ok(Object.hasOwn(result.example, 'region'), 'callers are shown to send the column');
    const answers = await predictions(result, ['north', 'south']);
    assert.ok(
      answers.some((answer) => answer.north !== answer.south),
      'some income is decided by the group',
    );
    assert.ok(
      answers.every((answer) => answer.probabilityNorth === answer.probabilitySouth),
      'the probabilities are the same',
    );
  });

  /** The decision on a row of each income, sent with one group and with the other. */
  async function predictions({ release }: LaunchResult, [north, south]: readonly [string, string]) {
    const answers = [];
    for (let income = 30; income <= 60; income += 2) {
      const rows = JSON.stringify([north, south].map((region) => ({ income, home: 'flat', region })));
      const [one, other] = objectOf<{ predictions: { prediction: string; probabilities: Record<string, number> }[] }>(
        await slipway('predict', release?.name ?? '', rows, '--json'),
      ).predictions;
      answers.push({
        north: one?.prediction,
        south: other?.prediction,
        probabilityNorth: one?.probabilities['yes'],
        probabilitySouth: other?.probabilities['yes'],
      });
    }
    return answers;
  }

  test('what cannot be mitigated is refused before anything is taught', async () => {
    const ended = await launch('--mitigate', 'reweighing');
    assert.equal(ended.code, 2);
    assert.match(ended.stderr, /--sensitive/);
  });
});
