import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LaunchResult } from '@slipway/project/contract';
import { startServer } from '@slipway/server';
import { createRandom } from '@slipway/statistics';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { runCli } from './run-cli.ts';

const CONFIG = (train: string, seed: string) => `import { csv, dataset, defineProject, gbdt, linear, model, release } from 'slipway';
export const used = [gbdt, linear];
const data = dataset('rows', { source: csv('./rows.csv') });
const trained = model('rows', { from: data, target: 'y', train: ${train}, ${seed} gates: [{ kind: 'leakage' }] });
export default defineProject('default', [data, trained, release('rows', { serve: trained })]);
`;

/** A definition that names its trainer is made once; applied again, it finds what it made. */
describe('given hyper-parameters, applied again and again', () => {
  let home: string;
  let server: Awaited<ReturnType<typeof startServer>>;
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'slipway-given-'));
    server = await startServer({ home, port: 0, listen: true });
    const random = createRandom(1);
    const rows = Array.from({ length: 200 }, () => {
      const x = random.normal();
      return `${x.toFixed(4)},${'abc'[random.int(3)]},${x + 0.5 * random.normal() > 0 ? 'yes' : 'no'}`;
    });
    writeFileSync(join(home, 'rows.csv'), `x,kind,y\n${rows.join('\n')}\n`);
  });
  afterAll(async () => {
    await server?.close();
    rmSync(home, { recursive: true, force: true });
  });

  async function apply(train: string, seed = ''): Promise<LaunchResult> {
    const config = join(home, 'slipway.config.ts');
    writeFileSync(config, CONFIG(train, seed));
    const run = await runCli(['apply', config, '--json', '--home', home]);
    assert.equal(run.code, 0, run.stderr);
    const { applied } = JSON.parse(run.stdout) as { applied: unknown[] };
    return LaunchResult.parse(applied[0]);
  }

  test('what is left to the defaults is the same version, not trained again, with a seed and without', async () => {
    for (const [train, seed] of [
      ['gbdt({ rounds: 20 })', 'seed: 1,'],
      ['gbdt({ rounds: 21 })', ''],
      ['linear({})', ''],
    ] as const) {
      const first = await apply(train, seed);
      assert.ok(first.created && (first.seconds['train'] ?? 0) > 0);
      const again = await apply(train, seed);
      assert.deepEqual([again.version, again.created, again.seconds['train'], again.seed], [first.version, false, 0, first.seed]);
    }
  });

  test('control: another parameter, and another seed, is another version', async () => {
    const { version } = await apply('gbdt({ rounds: 10 })', 'seed: 1,');
    const others = [await apply('gbdt({ rounds: 11 })', 'seed: 1,'), await apply('gbdt({ rounds: 10 })', 'seed: 2,')];
    assert.equal(new Set([version, ...others.map((other) => other.version)]).size, 3);
  });

  test('a parameter that does not exist is refused by name, and with the name that was meant', async () => {
    const config = join(home, 'slipway.config.ts');
    writeFileSync(config, CONFIG('gbdt({ learning_rate: 0.1 })', ''));
    const run = await runCli(['apply', config, '--home', home]);
    assert.notEqual(run.code, 0);
    assert.match(run.stderr, /no parameter "learning_rate"/);
    assert.match(run.stderr, /learningRate/);
  });
});
