import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LaunchResult } from '@slipway/project/contract';
import type { Client } from '@slipway/client';
import { type RunningServer, startServer } from '@slipway/server';
import { prepareTestHome } from '@slipway/server/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { objectOf, runCommand } from './testing/run-command.ts';

type PredictReply = Awaited<ReturnType<Client['predict']>>;

const KEY = 'cli-test-key-0123456789-0123456789-0123';
const DAYS = 160;

/** Sales of three shops: a week's shape, dearer on promotions, and nothing on some days. */
function sales(): string {
  let state = 20_261;
  const next = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  const lines = ['north', 'south', 'west'].flatMap((shop, which) =>
    Array.from({ length: DAYS }, (_, day) => {
      const promotion = next() < 0.15;
      const amount = 100 * (which + 1) + 30 * Math.sin((day * 2 * Math.PI) / 7) + (promotion ? 60 : 0) + 8 * (next() - 0.5);
      const sold = day % 31 === 17 ? '' : amount.toFixed(2);
      return `${new Date(Date.UTC(2024, 0, 1 + day)).toISOString().slice(0, 10)},${shop},${sold},${promotion}`;
    }),
  );
  return ['day,shop,sold,promotion', ...lines, ''].join('\n');
}

describe('a forecast over a running server', () => {
  let folder: string;
  let home: string;
  let server: RunningServer;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-forecast-'));
    home = join(folder, 'home');
    await writeFile(join(folder, 'sales.csv'), sales());
    await prepareTestHome(home);
    server = await startServer({ home, port: 0, listen: true, adminKey: KEY, log: () => {} });
  }, 120_000);
  afterAll(async () => {
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const slipway = (...args: readonly string[]) => runCommand([...args, '--home', home], { SLIPWAY_KEY: KEY });
  const launch = (...flags: readonly string[]) =>
    slipway('launch', join(folder, 'sales.csv'), '--target', 'sold', '--time', 'day', '--series', 'shop', '--horizon', '7', ...flags);

  test('is launched, gated against the seasonal naive one, and answers by series with intervals', async () => {
    const result = objectOf<LaunchResult>(await launch('--known', 'promotion', '--json'));
    assert.equal(result.task, 'forecast');
    assert.equal(result.release?.revision, 1);
    assert.deepEqual(
      [result.forecast?.series, result.forecast?.horizon, result.forecast?.frequency, result.forecast?.seasons],
      [3, 7, '1d', [7]],
    );
    assert.ok((result.metrics['mase']?.value ?? 9) < (result.baseline['mase'] ?? 0));
    assert.ok(
      result.gates.every((gate) => gate.passed),
      JSON.stringify(result.gates),
    );
    const future = Array.from({ length: 7 }, (_, step) => ({
      day: new Date(Date.UTC(2024, 0, 1 + DAYS + step)).toISOString().slice(0, 10),
      promotion: step === 3,
    }));
    const call = JSON.stringify([
      { series: 'west', future },
      { series: 'west', future: future.map((row) => ({ ...row, promotion: false })) },
    ]);
    const reply = objectOf<PredictReply>(await slipway('predict', 'sales', call, '--json'));
    const [promoted, plain] = reply.predictions;
    assert.equal(promoted?.forecast?.length, 7);
    assert.equal(promoted?.forecast?.[0]?.time, '2024-06-09T00:00:00.000Z');
    assert.ok((promoted?.forecast?.[3]?.value ?? 0) > (plain?.forecast?.[3]?.value ?? 0) + 20, 'a promotion sells more');
    assert.equal(promoted?.forecast?.[1]?.value, plain?.forecast?.[1]?.value);
    const why = await slipway('explain', promoted?.invocation ?? '', '--step', '4');
    assert.match(why.stdout, /level of the recent past/, why.stderr);
    assert.match(why.stdout, /promotion +true|promotion +1/);
    assert.match(why.stdout, /2024-06-12T00:00:00\.000Z: 90 % interval .* from forecasts of the past/);
    const card = await slipway('report', 'sales', '--card');
    assert.match(card.stdout, /promotion/);
    const shown = await slipway('predict', 'sales', '{"series":"north"}');
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /90 % interval/);
    assert.match(shown.stdout, /note: "promotion" is not known for 7 of 7 steps/);
  }, 180_000);

  test('what cannot be forecast is refused by name before anything is stored', async () => {
    const noSeries = await slipway('launch', join(folder, 'sales.csv'), '--target', 'sold', '--time', 'day', '--task', 'forecast');
    assert.equal(noSeries.code, 2);
    assert.match(noSeries.stderr, /two rows at 2024-01-01.*--series/s);
    const noTime = await slipway('launch', join(folder, 'sales.csv'), '--target', 'sold', '--task', 'forecast');
    assert.match(noTime.stderr, /--time/);
    const wrong = await launch('--known', 'wether');
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /no column "wether"/);
    const long = await launch('--horizon', '500');
    assert.match(long.stderr, /needs at least/);
  }, 60_000);

  test('a copy of the target among the known columns is no knowledge', async () => {
    const text = sales()
      .split('\n')
      .map((line, at) => (line === '' ? line : at === 0 ? `${line},copy` : `${line},${line.split(',')[2]}`))
      .join('\n');
    await writeFile(join(folder, 'copy.csv'), text);
    const file = join(folder, 'copy.csv');
    const ended = await slipway('launch', file, '--target', 'sold', '--time', 'day', '--series', 'shop', '--known', 'copy', '--json');
    assert.equal(ended.code, 3, ended.stderr);
    const { gates, release } = JSON.parse(ended.stdout) as LaunchResult;
    assert.equal(release, null);
    assert.equal(gates.find(({ name }) => name === 'leakage')?.passed, false);
  }, 180_000);
});
