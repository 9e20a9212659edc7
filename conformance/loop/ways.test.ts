/**
 * Every way into the loop and out of it, through a server of its own: triggers by drift, schedule, new data and by hand; waiting for
 * labels, for the gain and for the budget; promoted by canary steps, refused by the gate, rolled back by a guardrail.
 */
import assert from 'node:assert/strict';
import { RetrainPolicy } from '@slipway/project/contract';
import { RolloutOptions } from '@slipway/releases/rollout-contract';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type ServerProcess, endAll, startCli, startServerProcess, temporaryHome } from '../faults/server-process.ts';
import { createTurningWorld, until } from './turning-world.ts';

const HOUR_MS = 3_600_000;
let server: ServerProcess;
let folder: Awaited<ReturnType<typeof temporaryHome>>;
let world: ReturnType<typeof createTurningWorld>;

beforeAll(async () => {
  folder = await temporaryHome();
  server = await startServerProcess({ home: folder.home });
  // Calls of the last hours, so that monitors of the last day see them and labels can be late.
  world = createTurningWorld(server.client, 7, Date.now() - 6 * HOUR_MS, 1_000);
});
afterAll(async () => {
  await endAll();
  await folder?.remove();
});

const outcome = { metric: 'outcome' as const, outcome: 'label', score: 'correct' as const, margin: 0.1 };
const canary = (changes: object = {}) =>
  RolloutOptions.parse({
    strategy: 'canary',
    steps: [0.3, 0.6],
    goals: [outcome],
    minUnits: 30,
    minStepSeconds: 0,
    lookSeconds: 0.3,
    ...changes,
  });
const policy = (changes: object = {}) =>
  RetrainPolicy.parse({ data: { original: false, rows: 400 }, coolDown: '1s', rollout: canary(), ...changes });

const attempts = async (name: string) => (await server.client.retraining.get(name)).attempts;
const started = async (name: string) => (await attempts(name)).filter(({ status }) => status !== 'skipped');
const skipped = (name: string, code: string, count = 1) =>
  until(
    async () => (await attempts(name)).find((each) => each.code === code),
    (found) => (found?.count ?? 0) >= count,
    `${name} skips for ${code}`,
  );
const history = async (name: string) => (await server.client.releases.history(name)).items;
const treeOf = async (run: string | null | undefined) => {
  const { items } = await server.client.runs.list({ parent: run ?? '' });
  return items.map(({ workflow }) => workflow).filter((workflow) => workflow !== 'project.evidence');
};

/** Sends traffic of a world until the newest attempt has ended. */
async function ended(name: string, of: Parameters<typeof world.traffic>[2]) {
  return until(
    async () => {
      await world.traffic(name, 20, of);
      return (await attempts(name))[0];
    },
    (found) => found !== undefined && found.status !== 'running' && found.status !== 'skipped',
    `${name} ends`,
  );
}

/** A command, and what it printed as JSON. */
async function slipway(args: readonly string[], meanwhile: () => Promise<unknown> = async () => {}) {
  const cli = startCli({ home: folder.home }, [...args, '--json', '--url', server.url]);
  let isRunning = true;
  const done = cli.ended.finally(() => (isRunning = false));
  while (isRunning) await Promise.race([done, meanwhile().then(() => new Promise((resolve) => setTimeout(resolve, 200)))]);
  return done;
}

describe('the loop, every way', () => {
  test('drift whose labels are late waits for them and says so; then one run tree leads by canary steps to a new revision, and the alert tells it all', async () => {
    await world.launch('turned', policy({ on: [{ kind: 'drift', window: '1d' }], budget: { runs: 1, days: 30, seconds: 3_600 } }));
    const label = await world.call('turned', 400, { concept: 'below', shift: 5 });
    const waits = await skipped('turned', 'late-labels', 2);
    assert.match(waits?.reason ?? '', /waits for labels of the drifted calls: no call is labelled yet/);
    assert.equal((await started('turned')).length, 0);
    await server.client.releases.check('turned');
    const current = async () => (await server.client.alerts.list({ release: 'turned' })).items.find(({ kind }) => kind.includes('drift'));
    assert.match((await current())?.response?.message ?? '', /not trained again yet: waits for labels/);

    await label();
    const begun = await until(
      async () => (await started('turned'))[0],
      (found) => found !== undefined,
      'started by drift',
    );
    assert.equal(begun?.trigger.kind, 'drift');
    assert.match((await current())?.response?.message ?? '', /being trained again, by itself \(noise.* drifted.*slipway runs run_/);
    const attempt = await ended('turned', { concept: 'below', shift: 5 });
    assert.equal(attempt?.status, 'promoted', JSON.stringify(attempt));
    assert.deepEqual((await treeOf(attempt?.run)).toSorted(), ['project.launch', 'releases.rollout']);
    assert.equal((await started('turned')).length, 1, 'exactly one');
    assert.equal((await server.client.releases.get('turned')).traffic[0]?.revision, 2);

    // Two checks in a row without a finding end an alert.
    await server.client.releases.check('turned');
    await server.client.releases.check('turned');
    const over = await current();
    assert.deepEqual([over?.status, over?.response?.status, over?.response?.run], ['resolved', 'promoted', attempt?.run]);
    const { stdout } = await startCli({ home: folder.home }, ['releases', 'history', 'turned', '--url', server.url]).ended;
    const story = [/alert over: .*drift/, /retraining promoted \(revision 2\)/, /revision 2 .*waits for its rollout: retrained: noise/];
    const places = [...story, /retraining started: noise/, /alert raised: .*drift/].map((line) => stdout.search(line));
    assert.ok(
      places.every((place) => place >= 0),
      `${places.join()}\n${stdout}`,
    );
    assert.deepEqual(
      places,
      places.toSorted((left, right) => left - right),
      stdout,
    );
  }, 400_000);

  test('new data starts nothing once the budget is spent, which is told once; a person may all the same, and the command follows to the verdict', async () => {
    await server.client.retraining.configure('turned', policy({ on: [{ kind: 'new-data', rows: 150 }], budget: { runs: 1 } }));
    await (
      await world.call('turned', 300, { concept: 'above', shift: 5 })
    )();
    const spent = await skipped('turned', 'budget-runs', 2);
    assert.equal(spent?.trigger.kind, 'new-data');
    assert.equal((await started('turned')).length, 1);
    const told = (await history('turned')).filter(({ data }) => JSON.stringify(data).includes('budget-runs'));
    assert.equal(told.length, 1);
    await server.client.releases.configureMonitor('turned', { quality: { accuracy: { atLeast: 0.9 } } });
    await server.client.releases.check('turned');
    const dropped = async () => (await server.client.alerts.list({ release: 'turned' })).items.find(({ kind }) => kind === 'quality');
    assert.match(
      (await dropped())?.response?.message ?? '',
      /not trained again yet: the budget of 1 runs .* at once: slipway retrain turned/,
    );

    const traffic = () => world.traffic('turned', 20, { concept: 'above', shift: 5 });
    const { code, stdout, stderr } = await slipway(['retrain', 'turned', '--wait', '--reason', 'turned back'], traffic);
    assert.equal(code, 0, stderr);
    const printed = JSON.parse(stdout) as { status: string; revision: number };
    assert.deepEqual([printed.status, printed.revision], ['promoted', 3]);
    assert.match(stderr, /reading labelled calls[\s\S]*refit[\s\S]*step 1 of 2/, 'what happens below is shown');
    await server.client.releases.check('turned');
    await server.client.releases.check('turned');
    const over = await dropped();
    assert.deepEqual([over?.status, over?.response?.status], ['resolved', 'promoted']);
    assert.match(over?.response?.message ?? '', /by hand \(turned back\): revision 3 took over/);
  }, 400_000);

  test('what cannot gain is not trained, with its reason in the history; a schedule starts exactly one run, which the gate may refuse', async () => {
    await world.launch(
      'steady',
      policy({ on: [{ kind: 'schedule', cron: '* * * * *' }], require: 'better', expectedGain: { rows: 50, atLeast: 0.05 } }),
    );
    await (
      await world.call('steady', 300, { concept: 'above' })
    )();
    const idle = await skipped('steady', 'small-gain');
    assert.match(idle?.reason ?? '', /lost less than 0.05 of accuracy since it was proven/);
    assert.equal((await started('steady')).length, 0);
    assert.match(JSON.stringify((await history('steady'))[0]), /project.retraining.skipped.*lost less than 0.05/);
    assert.equal((await server.client.versions.list({ kind: 'model', name: 'steady' })).items.length, 1, 'nothing was trained');

    await server.client.retraining.configure('steady', policy({ on: [{ kind: 'schedule', cron: '* * * * *' }], require: 'better' }));
    const attempt = await until(
      async () => (await started('steady'))[0],
      (found) => found !== undefined && found.status !== 'running',
      'by schedule',
    );
    await server.client.retraining.configure('steady', null);
    assert.deepEqual([attempt?.trigger.kind, attempt?.status], ['schedule', 'refused'], JSON.stringify(attempt));
    assert.match(attempt?.reason ?? '', /not shown to be better/);
    assert.deepEqual(await treeOf(attempt?.run), ['project.launch']);
    assert.equal((await started('steady')).length, 1);
  }, 400_000);

  test('new data starts one by itself; a world that turns back while it is on trial rolls it back by its guardrail', async () => {
    const guarded = canary({ goals: [{ metric: 'error-rate' }], guardrails: [outcome], minUnits: 5_000 });
    await world.launch('back', policy({ on: [{ kind: 'new-data', rows: 250 }], rollout: guarded }));
    await (
      await world.call('back', 300, { concept: 'below' })
    )();
    await until(
      () => server.client.rollouts.latest('back').catch(() => undefined),
      (found) => found?.status === 'running',
      'on trial',
    );
    const attempt = await ended('back', { concept: 'above' });
    assert.deepEqual([attempt?.trigger.kind, attempt?.status], ['new-data', 'rolled-back'], JSON.stringify(attempt));
    assert.match(attempt?.reason ?? '', /outcome|label|correct/);
    assert.equal((await server.client.releases.get('back')).traffic[0]?.revision, 1);
    assert.deepEqual((await treeOf(attempt?.run)).toSorted(), ['project.launch', 'releases.rollout']);
  }, 400_000);

  test('the command that waits exits with 3 when the gate refuses, and prints why', async () => {
    await server.client.retraining.configure('steady', policy({ require: 'better' }));
    await (
      await world.call('steady', 100, { concept: 'above' })
    )();
    const { code, stdout, stderr } = await slipway(['retrain', 'steady', '--wait']);
    assert.equal(code, 3, stderr);
    const printed = JSON.parse(stdout) as { status: string; reason: string | null };
    assert.equal(printed.status, 'refused');
    assert.match(printed.reason ?? '', /not shown to be better/);
    assert.equal((await server.client.audit.verify()).ok, true);
  }, 400_000);
});
