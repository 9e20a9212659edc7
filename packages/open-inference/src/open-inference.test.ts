import assert from 'node:assert/strict';
import { InvalidError, NotFoundError } from '@slipway/kernel';
import { CallInvalidError } from '@slipway/releases';
import { fakeAgent, fakeModel, fakePrompt } from '@slipway/releases/testing';
import { beforeEach, describe, test } from 'vitest';
import type { Tensor } from './datatypes.ts';
import { AnswerPendingError, InferRequestError, ModelUnloadedError, ModelVersionNotFoundError } from './errors.ts';
import { CALLER, type MemoryHouse, PROJECT, memoryHouse, versionRef } from './testing/memory-house.ts';

const x = (...values: number[]): Tensor[] => [{ name: 'x', datatype: 'FP64', shape: [values.length, 1], values }];

describe('the open inference service', () => {
  let house: MemoryHouse;

  beforeEach(() => {
    house = memoryHouse();
    house.publish('double', (id) => fakeModel(versionRef(id)));
    house.publish('double', (id) => fakeModel(versionRef(id)));
    house.publish('shout', (id) => fakePrompt(versionRef(id, 'prompt')));
  });

  const infer = (
    tensors: readonly Tensor[],
    more: { model?: string; version?: string; parameters?: object; outputs?: { name: string }[]; project?: string } = {},
  ) =>
    house.service.infer(
      {
        model: more.model ?? 'double',
        version: more.version,
        parameters: { ...more.parameters },
        outputs: more.outputs,
        inputs: () => tensors,
      },
      { ...CALLER, project: more.project ?? PROJECT },
    );

  test('OI1 a call is answered by the live revision and recorded whole before its reply', async () => {
    const reply = await infer(x(21, 4), { parameters: { unit: 'customer-1', subject: 's-1', event_time: '2026-01-01T00:00:00Z' } });
    assert.equal(reply.version, '2');
    assert.deepEqual(
      reply.outputs.map(({ name }) => name),
      ['answer', 'invocation'],
    );
    assert.deepEqual(
      house.written.map(({ id, input, unit, subject, eventTimeMs, arm }) => ({ id, input, unit, subject, eventTimeMs, arm })),
      [21, 4].map((value, row) => ({
        id: `inv_${row + 1}`,
        input: { x: value },
        unit: 'customer-1',
        subject: 's-1',
        eventTimeMs: Date.UTC(2026),
        arm: 'live',
      })),
    );
    assert.deepEqual(reply.outputs.at(-1)?.values, ['inv_1', 'inv_2']);
  });

  test('OI2 a revision is addressed by its number or by a version id that the release has used', async () => {
    for (const version of ['1', 'mv_double1']) {
      assert.equal((await infer(x(1), { version })).version, '1');
      assert.equal(house.written.at(-1)?.arm, 'pinned');
    }
    assert.equal((await house.service.metadata(PROJECT, { model: 'double', version: '1' })).name, 'double');
    await assert.rejects(infer(x(1), { version: '3' }), NotFoundError);
    await assert.rejects(infer(x(1), { version: 'mv_shout1' }), ModelVersionNotFoundError);
    await assert.rejects(infer(x(1), { version: '01' }), ModelVersionNotFoundError);
  });

  test('OI3 every kind is served by its contracts alone', async () => {
    const { inputs, outputs, platform } = await house.service.metadata(PROJECT, { model: 'shout' });
    assert.deepEqual([inputs[0]?.datatype, outputs[0]?.datatype, platform], ['BYTES', 'BYTES', 'slipway_prompt']);
    const reply = await infer([{ name: 'question', datatype: 'BYTES', shape: [1], values: ['hello'] }], {
      model: 'shout',
      outputs: [{ name: 'answer' }],
    });
    assert.deepEqual(reply.outputs[0]?.values, ['"HELLO"']);
    house.publish('agent', (id) => fakeAgent(versionRef(id, 'agent'), async () => 'run_1'));
    await assert.rejects(infer([{ name: 'task', datatype: 'BYTES', shape: [1], values: ['go'] }], { model: 'agent' }), AnswerPendingError);
    assert.equal(house.written.at(-1)?.run, 'run_1', 'what is pending is recorded');
  });

  test('OI1 a row that fails fails the call, and every row is recorded all the same', async () => {
    await assert.rejects(infer(x(1, -1)), InvalidError);
    assert.deepEqual(
      house.written.map(({ status }) => status),
      ['ok', 'error'],
    );
  });

  test('OI4 what breaks the contract, or asks for what is not there, is refused before anything is answered', async () => {
    await assert.rejects(infer(x(Number.NaN)), CallInvalidError);
    await assert.rejects(infer(x(1), { outputs: [{ name: 'none' }] }), InferRequestError);
    await assert.rejects(infer(x(1), { parameters: { unit: 7 } }), /"unit" must be text/);
    await assert.rejects(infer(x(1), { parameters: { timeout: -1 } }), /microseconds/);
    await assert.rejects(infer(x(1), { project: 'prj_other' }), NotFoundError);
    assert.equal(house.written.length, 0);
  });

  test('OI5 an unloaded model is not ready and does not answer until it is loaded', async () => {
    const { service } = house;
    assert.equal(await service.ready(PROJECT, { model: 'double' }), true);
    await service.unload(PROJECT, 'double');
    assert.equal(await service.ready(PROJECT, { model: 'double' }), false);
    await assert.rejects(infer(x(1)), ModelUnloadedError);
    assert.deepEqual(
      (await service.index(PROJECT, { readyOnly: false })).map(({ name, version, state, reason }) => [name, version, state, reason]),
      [
        ['double', '2', 'UNAVAILABLE', 'unloaded'],
        ['shout', '1', 'UNAVAILABLE', 'not loaded yet; its first call loads it'],
      ],
    );
    await service.load(PROJECT, 'double');
    assert.equal((await infer(x(1))).version, '2');
    assert.deepEqual(
      (await service.index(PROJECT, { readyOnly: true })).map(({ name }) => name),
      ['double'],
    );
    await assert.rejects(service.unload(PROJECT, 'none'), NotFoundError);
    await assert.rejects(service.ready(PROJECT, { model: 'none' }), NotFoundError);
  });

  test('OI5 a model that cannot be loaded is not ready', async () => {
    house.breakRelease('double');
    assert.equal(await house.service.ready(PROJECT, { model: 'double' }), false);
  });

  test('OI6 requests, rows and failures are counted by version and project', async () => {
    await infer(x(1, 2, 3));
    await infer(x(1), { version: '1' });
    await assert.rejects(infer(x(-1)));
    const [second] = await house.service.statistics(PROJECT, { model: 'double', version: '2' });
    assert.deepEqual([second?.inference_count, second?.execution_count, second?.inference_stats.fail.count], [3, 1, 1]);
    assert.deepEqual(
      second?.batch_stats.map(({ batch_size }) => batch_size),
      [3],
    );
    assert.ok((second?.inference_stats.compute_infer.ns ?? 0) > 0);
    assert.deepEqual((await house.service.statistics(PROJECT, { model: 'double' })).map(({ version }) => version).toSorted(), ['1', '2']);
    assert.equal((await house.service.statistics(PROJECT, { model: 'shout' }))[0]?.execution_count, 0);
    assert.deepEqual(await house.service.statistics('prj_other', {}), []);
    await assert.rejects(house.service.statistics(PROJECT, { model: 'double', version: '9' }), ModelVersionNotFoundError);
  });
});
