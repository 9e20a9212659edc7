import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBConnection } from '@duckdb/node-api';
import type { Invocation } from '@slipway/kernel';
import type { Objects } from '@slipway/objects';
import type { Records } from '@slipway/records';
import { emptyTables, testEngines } from '@slipway/records/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { InvocationNotFoundError } from './errors.ts';
import { type TelemetryFixture, createTelemetryFixture, createTelemetryRecords, invocationMaker } from './testing/index.ts';

describe.each(testEngines)('erasure on %s', (engine) => {
  let records: Records;
  let fixture: TelemetryFixture;
  beforeAll(async () => {
    records = await createTelemetryRecords(engine);
  });
  afterAll(() => records.close());
  beforeEach(async () => {
    await emptyTables(records);
    fixture = await createTelemetryFixture({ records });
  });
  afterEach(() => fixture.close());

  /** Three segments of each kind: two subjects in the first two, one open. */
  async function recordSubjects(): Promise<{ ada: Invocation[]; bob: Invocation[] }> {
    const make = invocationMaker();
    const ada: Invocation[] = [];
    const bob: Invocation[] = [];
    for (let segment = 0; segment < 3; segment += 1) {
      for (let index = 0; index < 5; index += 1) {
        ada.push(make({ subject: "ada's", input: { secret: 'ADA-SECRET' } }));
        bob.push(make({ subject: 'bob' }));
      }
      for (const call of [...ada.slice(-5), ...bob.slice(-5)]) await fixture.telemetry.append(call);
      const labelled = [...ada.slice(-3), ...bob.slice(-3)].map(({ id }) => ({ invocation: id, value: 'ADA-LABEL' }));
      await fixture.telemetry.appendOutcomes('alpha', labelled);
      if (segment < 2) await fixture.telemetry.roll();
    }
    return { ada, bob };
  }

  test('TL40 a subject is gone from Parquet, open segments and outcomes; everybody else stays', async () => {
    const { ada, bob } = await recordSubjects();
    const erased = await fixture.telemetry.eraseSubject('alpha', "ada's");
    expect(erased).toMatchObject({ invocations: 15, outcomes: 9 });
    expect(erased.segments).toHaveLength(6);
    for (const call of ada) await expect(fixture.telemetry.getInvocation('alpha', call.id)).rejects.toThrow(InvocationNotFoundError);
    for (const call of bob) assert.deepEqual((await fixture.telemetry.getInvocation('alpha', call.id)).invocation, call);
    const now = Date.now();
    const window = { release: 'churn', fromMs: now - 600_000, toMs: now + 600_000 };
    expect(await fixture.telemetry.pairs('alpha', { ...window, outcome: 'label', limit: 100 })).toHaveLength(9);
    expect((await fixture.telemetry.listInvocations('alpha', { limit: 100 })).items).toHaveLength(15);
    expect(await fixture.telemetry.eraseSubject('alpha', "ada's")).toEqual({ invocations: 0, outcomes: 0, segments: [] });
    expect((await fixture.audit.verify('alpha')).ok).toBe(true);
  });

  test('TL41 no file holds a byte of the subject afterwards', async () => {
    await recordSubjects();
    const holding = () => findText(fixture.directory, 'ADA-SECRET');
    await fixture.telemetry.roll();
    expect(await holding()).toHaveLength(3);
    await fixture.telemetry.eraseSubject('alpha', "ada's");
    expect(await holding()).toEqual([]);
  });

  test('TL42 an erasure interrupted at any change is finished by the next one', async () => {
    for (let allowed = 0; allowed < 6; allowed += 1) {
      await emptyTables(records);
      const { ada, bob } = await recordSubjects();
      await fixture.telemetry.close();
      let left = Number.POSITIVE_INFINITY;
      const failing = failingPuts(fixture.objects, () => {
        left -= 1;
        return left < 0;
      });
      const broken = await fixture.reopen({ objects: failing });
      await broken.roll();
      left = allowed;
      await expect(broken.eraseSubject('alpha', "ada's")).rejects.toThrow('power cut');
      // The process dies here: nothing is closed.
      await fixture.reopen();
      await fixture.telemetry.eraseSubject('alpha', "ada's");
      for (const call of ada) await expect(fixture.telemetry.getInvocation('alpha', call.id)).rejects.toThrow(InvocationNotFoundError);
      for (const call of bob) await fixture.telemetry.getInvocation('alpha', call.id);
      await fixture.telemetry.maintain();
      expect(await findText(fixture.directory, 'ADA-SECRET')).toEqual([]);
      const labels = await fixture.telemetry.getInvocation('alpha', bob.at(-1)?.id as string);
      expect(labels.outcomes).toHaveLength(1);
      await fixture.telemetry.eraseSubject('alpha', 'bob');
      expect((await fixture.objects.list('alpha', { limit: 10 })).items).toEqual([]);
    }
  });

  test("TL43 another project's subject of the same name stays", async () => {
    const make = invocationMaker();
    const [mine, theirs] = [make({ subject: 'ada' }), make({ subject: 'ada', project: 'beta' })];
    await fixture.telemetry.append(mine);
    await fixture.telemetry.append(theirs);
    expect(await fixture.telemetry.eraseSubject('alpha', 'ada')).toMatchObject({ invocations: 1 });
    assert.deepEqual((await fixture.telemetry.getInvocation('beta', theirs.id)).invocation, theirs);
  });

  test('TL44 calls recorded while a subject is erased are kept', async () => {
    await recordSubjects();
    const make = invocationMaker();
    const erasing = fixture.telemetry.eraseSubject('alpha', "ada's");
    const during: Invocation[] = [];
    const ended = new AbortController();
    void erasing.finally(() => ended.abort());
    while (!ended.signal.aborted) {
      during.push(make({ subject: 'bob' }));
      await fixture.telemetry.append(during.at(-1) as Invocation);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect((await erasing).invocations).toBe(15);
    for (const call of during) await fixture.telemetry.getInvocation('alpha', call.id);
  });
});

/** The same store, where storing a file fails when told. */
function failingPuts(objects: Objects, fails: () => boolean): Objects {
  return new Proxy(objects, {
    get(target, property) {
      if (property === 'putFile' && fails()) return () => Promise.reject(new Error('power cut'));
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Files under a folder whose bytes, or whose Parquet pages unpacked, hold a text. */
async function findText(folder: string, text: string): Promise<string[]> {
  const found: string[] = [];
  // The library itself, not our reader: what it sees is what a stranger sees.
  const connection = await DuckDBConnection.create();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path);
    const isParquet = bytes.subarray(0, 4).toString('latin1') === 'PAR1';
    const plain = isParquet ? await parquetText(connection, path) : bytes.toString('latin1');
    if (plain.includes(text)) found.push(path);
  }
  connection.closeSync();
  return found;
}

async function parquetText(connection: DuckDBConnection, path: string): Promise<string> {
  const reader = await connection.runAndReadAll('select * from read_parquet($1)', [path]);
  return JSON.stringify(reader.getRowObjectsJson());
}
