import assert from 'node:assert/strict';
import { appendFile, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Invocation, fixedClock } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { emptyTables, testEngines } from '@slipway/records/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { InvocationNotFoundError, LineTooLongError } from './errors.ts';
import { LINE_LIMIT_CHARACTERS } from './limits.ts';
import { type TelemetryFixture, createTelemetryFixture, createTelemetryRecords, invocationMaker } from './testing/index.ts';

async function segmentFiles(fixture: TelemetryFixture, project = 'alpha'): Promise<string[]> {
  const folder = join(fixture.directory, 'telemetry', 'segments', project);
  const names = await readdir(folder).catch(() => []);
  return names.toSorted().map((name) => join(folder, name));
}

describe.each(testEngines)('telemetry on %s', (engine) => {
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

  test('TL1 the lines of one turn are in the file before any of its promises resolves', async () => {
    const make = invocationMaker();
    let resolved = 0;
    const calls = Array.from({ length: 20 }, () => make());
    const promises = calls.map((call) => fixture.telemetry.append(call).then(() => (resolved += 1)));
    await Promise.resolve();
    expect(resolved).toBe(0);
    await promises[0];
    const [file] = await segmentFiles(fixture);
    const lines = (await readFile(file as string, 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual(calls);
    await Promise.all(promises);
  });

  test('TL2 an invocation is shown as it was recorded, from an open segment, from Parquet and after a restart', async () => {
    const make = invocationMaker();
    const calls = [
      make({ input: { a: 'é\u0000"\\\n', b: [1, 2.5e-7, null], c: { d: true } }, unit: 'customer 1', subject: 'ada' }),
      make({ status: 'error', output: null, error: 'models/failed', latencyMs: 0.001 }),
      make({ input: 123456789012345680000, output: 'text', parent: 'inv_x', trace: '00-1' }),
    ];
    for (const call of calls) await fixture.telemetry.append(call);
    for (const call of calls) assert.deepEqual((await fixture.telemetry.getInvocation('alpha', call.id)).invocation, call);
    await fixture.telemetry.roll();
    expect(await segmentFiles(fixture)).toEqual([]);
    for (const call of calls) assert.deepEqual((await fixture.telemetry.getInvocation('alpha', call.id)).invocation, call);
    const later = make();
    await fixture.telemetry.append(later);
    await fixture.telemetry.close();
    await fixture.reopen();
    for (const call of [...calls, later]) assert.deepEqual((await fixture.telemetry.getInvocation('alpha', call.id)).invocation, call);
  });

  test('TL3 half a surrogate pair is stored as U+FFFD and does not keep a segment from becoming Parquet', async () => {
    const make = invocationMaker();
    const call = make({ input: { text: 'a\ud800b', 'k\udc00': '\\ud800' }, unit: '\udfff' });
    await fixture.telemetry.append(call);
    await fixture.telemetry.roll();
    const { invocation } = await fixture.telemetry.getInvocation('alpha', call.id);
    expect(invocation.input).toEqual({ text: 'a\ufffdb', 'k\ufffd': '\\ud800' });
    expect(invocation.unit).toBe('\ufffd');
  });

  test('TL4 redacted keeps the line without input and output, none keeps nothing', async () => {
    const make = invocationMaker();
    const [redacted, none] = [make(), make()];
    await fixture.telemetry.append(redacted, { policy: 'redacted' });
    await fixture.telemetry.append(none, { policy: 'none' });
    const kept = await fixture.telemetry.getInvocation('alpha', redacted.id);
    expect(kept.invocation).toEqual({ ...redacted, input: null, output: null });
    await expect(fixture.telemetry.getInvocation('alpha', none.id)).rejects.toThrow(InvocationNotFoundError);
    const [file] = await segmentFiles(fixture);
    expect(await readFile(file as string, 'utf8')).not.toContain('basic');
  });

  test('TL5 another project, another kind of id and an unknown id are not found', async () => {
    const make = invocationMaker();
    const call = make();
    await fixture.telemetry.append(call);
    await expect(fixture.telemetry.getInvocation('beta', call.id)).rejects.toThrow(InvocationNotFoundError);
    await fixture.telemetry.roll();
    await expect(fixture.telemetry.getInvocation('beta', call.id)).rejects.toThrow(InvocationNotFoundError);
    for (const id of [make().id, 'run_1', '', "'; drop table x"]) {
      await expect(fixture.telemetry.getInvocation('alpha', id)).rejects.toThrow(InvocationNotFoundError);
    }
    expect((await fixture.telemetry.listInvocations('beta', { limit: 10 })).items).toEqual([]);
  });

  test('TL6 a list pages through Parquet and open segments as one relation, newest first, each call once', async () => {
    const clock = fixedClock(1_750_000_000_000);
    const make = invocationMaker(clock);
    const calls = [];
    for (let index = 0; index < 57; index += 1) {
      clock.advance(index % 3 === 0 ? 0 : 1_000);
      calls.push(
        make({ release: index % 2 === 0 ? 'churn' : 'price', revision: (index % 4) + 1, subject: `s${index % 5}`, unit: `u${index}` }),
      );
      await fixture.telemetry.append(calls[index] as Invocation);
      if (index % 20 === 19) await fixture.telemetry.roll();
    }
    for (const limit of [1, 7, 56, 57, 58]) {
      const found = [];
      let cursor: string | undefined;
      do {
        const page = await fixture.telemetry.listInvocations('alpha', { limit, cursor });
        expect(page.items.length).toBeLessThanOrEqual(limit);
        found.push(...page.items);
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined);
      assert.deepEqual(found, calls.toReversed());
    }
    const filtered = await fixture.telemetry.listInvocations('alpha', { limit: 100, release: 'churn', revision: 3, subject: 's2' });
    const wanted = calls.filter((call) => call.release === 'churn' && call.revision === 3 && call.subject === 's2');
    assert.ok(wanted.length > 0);
    assert.deepEqual(filtered.items, wanted.toReversed());
    const [from, to] = [calls[10]?.eventTimeMs as number, calls[40]?.eventTimeMs as number];
    const window = await fixture.telemetry.listInvocations('alpha', { limit: 100, fromMs: from, toMs: to });
    assert.deepEqual(window.items, calls.filter((call) => call.eventTimeMs >= from && call.eventTimeMs < to).toReversed());
    await expect(fixture.telemetry.listInvocations('alpha', { limit: 1, cursor: 'x' })).rejects.toThrow(/cursor/);
  });

  test('TL7 a torn last line is cut when the segment is taken over, and earlier lines stay', async () => {
    const make = invocationMaker();
    const calls = [make(), make()];
    for (const call of calls) await fixture.telemetry.append(call);
    await fixture.telemetry.close();
    const [file] = await segmentFiles(fixture);
    const whole = await readFile(file as string);
    for (const torn of ['{"schema":1,"id":"inv_', `${'\0'.repeat(100)}`, '{"schema":1,"id":"inv_0"}\n\0\0\n']) {
      await writeFile(file as string, whole);
      await appendFile(file as string, torn);
      await fixture.reopen();
      expect(await readFile(file as string)).toEqual(whole);
      const list = await fixture.telemetry.listInvocations('alpha', { limit: 10 });
      assert.deepEqual(list.items, calls.toReversed());
      await fixture.telemetry.close();
    }
    await fixture.reopen();
    await fixture.telemetry.append(make());
    await fixture.telemetry.roll();
    expect((await fixture.telemetry.listInvocations('alpha', { limit: 10 })).items).toHaveLength(3);
  });

  test('TL8 a damaged line in the middle costs that line only, and is reported', async () => {
    const make = invocationMaker();
    const calls = [make(), make(), make()];
    for (const call of calls) await fixture.telemetry.append(call);
    await fixture.telemetry.close();
    const [file] = await segmentFiles(fixture);
    const lines = (await readFile(file as string, 'utf8')).split('\n');
    lines[1] = (lines[1] as string).replace('"arm":', '"arm"');
    await writeFile(file as string, lines.join('\n'));
    const problems: Error[] = [];
    await fixture.reopen({ onProblem: (error) => problems.push(error) });
    await fixture.telemetry.roll();
    const list = await fixture.telemetry.listInvocations('alpha', { limit: 10 });
    expect(list.items.map((item) => item.id)).toEqual([calls[2]?.id, calls[0]?.id]);
    expect(problems.map(String)).toEqual([expect.stringContaining('1 lines of segment')]);
  });

  test('TL9 lines left over beside their Parquet are not counted twice after a crash between the two', async () => {
    const make = invocationMaker();
    const calls = Array.from({ length: 10 }, () => make());
    for (const call of calls) await fixture.telemetry.append(call);
    const [file] = await segmentFiles(fixture);
    const lines = await readFile(file as string);
    await fixture.telemetry.roll();
    await fixture.telemetry.close();
    await writeFile(file as string, lines);
    await fixture.reopen();
    expect(await segmentFiles(fixture)).toEqual([]);
    assert.deepEqual((await fixture.telemetry.listInvocations('alpha', { limit: 100 })).items, calls.toReversed());
    const now = Date.now();
    const sketches = await fixture.telemetry.sketches('alpha', { release: 'churn', fromMs: now - 600_000, toMs: now + 600_000 });
    expect(sketches.get('amount')?.count).toBe(10);
  });

  test('TL10 segments roll by size and by age', async () => {
    await fixture.telemetry.close();
    const clock = fixedClock(1_750_000_000_000);
    await fixture.reopen({ clock, segmentLimitBytes: 4_000, segmentLimitAgeMs: 60_000 });
    const make = invocationMaker(clock);
    for (let index = 0; index < 40; index += 1) await fixture.telemetry.append(make());
    await fixture.telemetry.maintain();
    await fixture.telemetry.append(make());
    const stored = await fixture.audit.list('alpha', { limit: 100, type: 'telemetry.segment.stored' });
    expect(stored.length).toBeGreaterThanOrEqual(3);
    expect(await segmentFiles(fixture)).toHaveLength(1);
    clock.advance(60_000);
    await fixture.telemetry.maintain();
    expect(await segmentFiles(fixture)).toHaveLength(0);
    expect((await fixture.telemetry.listInvocations('alpha', { limit: 100 })).items).toHaveLength(41);
    expect((await fixture.audit.verify('alpha')).ok).toBe(true);
  });

  test('TL11 a call that is too long or has no proper id or number is refused and leaves no line', async () => {
    const make = invocationMaker();
    await expect(fixture.telemetry.append(make({ input: 'x'.repeat(LINE_LIMIT_CHARACTERS) }))).rejects.toThrow(LineTooLongError);
    await expect(fixture.telemetry.append(make({ id: 'inv_"}' }))).rejects.toThrow(/proper id/);
    await expect(fixture.telemetry.append(make({ latencyMs: Number.NaN }))).rejects.toThrow(/finite/);
    await fixture.telemetry.append(make({ input: 'x'.repeat(LINE_LIMIT_CHARACTERS - 2_000) }));
    await fixture.telemetry.roll();
    expect((await fixture.telemetry.listInvocations('alpha', { limit: 10 })).items).toHaveLength(1);
  });

  test('TL12 durability host answers after the disk has the lines, and many turns share a sync', async () => {
    await fixture.telemetry.close();
    await fixture.reopen({ durability: 'host', segmentLimitBytes: 20_000 });
    const make = invocationMaker();
    const calls = Array.from({ length: 200 }, () => make());
    const promises = [];
    for (const [index, call] of calls.entries()) {
      promises.push(fixture.telemetry.append(call));
      if (index % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(promises);
    await fixture.telemetry.roll();
    assert.deepEqual((await fixture.telemetry.listInvocations('alpha', { limit: 500 })).items, calls.toReversed());
  });

  test('TL13 small segments are joined without losing or repeating a call', async () => {
    const make = invocationMaker();
    const calls = [];
    for (let index = 0; index < 64; index += 1) {
      calls.push(make());
      await fixture.telemetry.append(calls[index] as Invocation);
      await fixture.telemetry.roll();
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
    await fixture.telemetry.maintain();
    const [joined] = await fixture.audit.list('alpha', { limit: 10, type: 'telemetry.segment.replaced' });
    expect(joined?.data).toMatchObject({ reason: 'merged', added: { rows: 64 } });
    assert.deepEqual((await fixture.telemetry.listInvocations('alpha', { limit: 100 })).items, calls.toReversed());
    expect((await fixture.objects.list('alpha', { limit: 100 })).items).toHaveLength(1);
  });

  test('TL14 a pending invocation is replaced by its end, wherever the two lines lie, and counts once', async () => {
    const make = invocationMaker();
    const pending = Array.from({ length: 6 }, (_, index) => make({ status: 'pending', output: null, run: 'run_1', unit: `u${index}` }));
    for (const call of pending) await fixture.telemetry.append(call);
    const ends = pending.slice(0, 5).map((call) => ({ ...call, status: 'ok' as const, run: null, output: { prediction: 1 } }));
    const end = (index: number) => fixture.telemetry.append(ends[index] as Invocation);
    const wanted = [...ends, pending[5] as Invocation].toReversed();
    await end(0);
    await fixture.telemetry.roll();
    await end(1);
    await fixture.telemetry.roll();
    for (const index of [2, 3, 4]) await end(index);
    for (let round = 0; round < 2; round += 1) {
      for (const limit of [1, 2, 5, 6, 7]) {
        const found = [];
        let cursor: string | undefined;
        do {
          const page = await fixture.telemetry.listInvocations('alpha', { limit, cursor });
          found.push(...page.items);
          cursor = page.nextCursor ?? undefined;
        } while (cursor !== undefined);
        assert.deepEqual(found, wanted);
      }
      const waiting = await fixture.telemetry.listInvocations('alpha', { limit: 10, status: 'pending' });
      assert.deepEqual(waiting.items, [pending[5]]);
      for (const call of ends) assert.deepEqual((await fixture.telemetry.getInvocation('alpha', call.id)).invocation, call);
      await fixture.telemetry.roll();
    }
    const now = Date.now();
    const sketches = await fixture.telemetry.sketches('alpha', { release: 'churn', fromMs: now - 600_000, toMs: now + 600_000 });
    expect(sketches.get('amount')?.count).toBe(5);
    await fixture.telemetry.appendOutcomes('alpha', [{ invocation: ends[4]?.id as string, value: 1 }]);
    const query = { release: 'churn', fromMs: now - 600_000, toMs: now + 600_000, outcome: 'label', limit: 10 };
    expect(await fixture.telemetry.pairs('alpha', query)).toHaveLength(1);
  });
});
