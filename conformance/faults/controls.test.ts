import assert from 'node:assert/strict';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFolderObjects } from '@slipway/objects';
import { openHome } from '@slipway/records';
import { afterEach, beforeEach, describe, test } from 'vitest';
import { batchProblems } from './batch-checks.ts';
import { objectProblems, strayFiles } from './home-checks.ts';
import { type LaunchFacts, launchProblems } from './launch-checks.ts';
import { type AnsweredRow, listProblems, lookUpProblems } from './load-checks.ts';

const PROJECT = 'prj_01a1fdcb-4657-74bf-bb95-77afe0c274a1';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-control-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const version = (kind: string) => ({ kind, name: 'a', number: 1 });
const TYPES = [
  'workflows.run.started',
  'catalog.version.registered',
  'evaluation.gates.fixed',
  'catalog.version.registered',
  'catalog.version.registered',
  'releases.revision.created',
  'workflows.run.succeeded',
];
const sound: LaunchFacts = {
  runs: [{ id: 'run_1', status: 'succeeded' }],
  versions: [version('dataset'), version('model'), version('report')],
  revisions: [{ number: 1, version: 'mv_1' }],
  events: TYPES.map((type, index) => ({ seq: index + 1, type, subject: `s ${index}` })),
  auditOk: true,
  answered: true,
};
const without = (type: string) => sound.events.filter((event) => event.type !== type).map((event, index) => ({ ...event, seq: index + 1 }));

describe('negative controls of the launch check', () => {
  const broken: Record<string, LaunchFacts> = {
    'a second model version': { ...sound, versions: [...sound.versions, { ...version('model'), number: 2 }] },
    'a second dataset version': { ...sound, versions: [...sound.versions, version('dataset')] },
    'no report': { ...sound, versions: sound.versions.slice(0, 2) },
    'a second revision': { ...sound, revisions: [...sound.revisions, { number: 2, version: 'mv_1' }] },
    'no revision': { ...sound, revisions: [] },
    'a run that is still running': { ...sound, runs: [{ id: 'run_1', status: 'running' }] },
    'a second run': { ...sound, runs: [...sound.runs, { id: 'run_2', status: 'succeeded' }] },
    'gates never fixed': { ...sound, events: without('evaluation.gates.fixed') },
    'a revision said twice': { ...sound, events: [...sound.events, { seq: 8, type: 'releases.revision.created', subject: 'x' }] },
    'a version said twice': { ...sound, events: sound.events.map((event) => ({ ...event, subject: 'same' })) },
    'a hole in the numbers': { ...sound, events: sound.events.map((event) => ({ ...event, seq: event.seq * 2 })) },
    'a broken audit log': { ...sound, auditOk: false },
    'a release that does not answer': { ...sound, answered: false },
  };

  test('a sound launch passes', () => assert.deepEqual(launchProblems(sound), []));
  test.for(Object.entries(broken))('%s is found', ([, facts]) => assert.notDeepEqual(launchProblems(facts), []));
});

describe('negative controls of the home checks', () => {
  async function objectIn(): Promise<string> {
    const objects = await openFolderObjects(join(folder, 'objects'));
    const { sha256 } = await objects.put(PROJECT, new TextEncoder().encode('a whole object'));
    return objects.localPath(PROJECT, sha256);
  }

  test('a sound home passes', async () => {
    const home = await openHome(folder);
    await objectIn();
    assert.deepEqual(await objectProblems(folder), []);
    assert.deepEqual(await strayFiles(folder), []);
    await home.release();
  });

  test('an object with other bytes, a half object and a home without objects are found', async () => {
    assert.equal((await objectProblems(folder)).length, 1);
    const path = await objectIn();
    await appendFile(path, '!');
    assert.equal((await objectProblems(folder)).length, 1);
    await writeFile(path, 'a whole');
    assert.equal((await objectProblems(folder)).length, 1);
  });

  test('files left behind are found wherever they lie', async () => {
    for (const [inside, name] of [
      ['', 'holder.json.0123456789ab'],
      ['objects/.temporary/1-1-0123456789ab', 'half'],
      ['work/tables', 'x.parquet'],
      ['telemetry/temporary/0', '1.ndjson'],
    ] as const) {
      await mkdir(join(folder, inside), { recursive: true });
      await writeFile(join(folder, inside, name), 'x');
    }
    assert.equal((await strayFiles(folder)).length, 4);
  });
});

describe('negative controls of the load check', () => {
  const answered: AnsweredRow = { id: 'inv_1', inputHash: 'a', prediction: 'yes', outcomes: ['k1'] };
  const stored = { id: 'inv_1', inputHash: 'a', prediction: 'yes' };

  test('what is there once passes', () => assert.deepEqual(listProblems([answered], [stored, { ...stored, id: 'inv_2' }]), []));
  test('a missing, a doubled and a changed invocation are found', () => {
    assert.match(listProblems([answered], [])[0] ?? '', /not there/);
    assert.match(listProblems([answered], [stored, stored])[0] ?? '', /twice/);
    assert.match(listProblems([answered], [{ ...stored, prediction: 'no' }])[0] ?? '', /something else/);
    assert.match(listProblems([answered], [{ ...stored, inputHash: 'b' }])[0] ?? '', /something else/);
  });

  test('a missing or doubled outcome and a look-up that fails are found', async () => {
    const clientWith = (keys: readonly string[]) => {
      const get = async () => ({
        invocation: { id: 'inv_1', input: {}, output: { prediction: 'yes' } },
        outcomes: keys.map((idempotencyKey) => ({ idempotencyKey })),
      });
      return { invocations: { get } } as unknown as Parameters<typeof lookUpProblems>[0];
    };
    const row = { ...answered, inputHash: '4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945' };
    assert.deepEqual(await lookUpProblems(clientWith(['k1']), row), []);
    assert.equal((await lookUpProblems(clientWith([]), row)).length, 1);
    assert.equal((await lookUpProblems(clientWith(['k1', 'k1']), row)).length, 1);
    const failing = { invocations: { get: () => Promise.reject(new Error('404')) } } as unknown as Parameters<typeof lookUpProblems>[0];
    assert.equal((await lookUpProblems(failing, row)).length, 1);
  });
});

describe('negative controls of the batch check', () => {
  const sound = { begun: [0, 1, 1, 2], shards: 3, kills: 1 };
  test('a killed run that went on is found sound', () => {
    assert.deepEqual(batchProblems(sound), []);
  });
  test.each([
    ['a finished shard done again', { ...sound, begun: [0, 1, 0, 1, 2] }],
    ['everything done again', { ...sound, begun: [0, 1, 2, 0, 1, 2] }],
    ['a shard left out', { ...sound, begun: [0, 2] }],
    ['an end that was never reached', { ...sound, begun: [0, 1, 1] }],
    ['more repetitions than kills', { ...sound, begun: [0, 1, 1, 1, 2] }],
    ['no shard at all', { ...sound, begun: [] }],
  ])('%s is found', (_name, events) => {
    assert.notDeepEqual(batchProblems(events), []);
  });
});
