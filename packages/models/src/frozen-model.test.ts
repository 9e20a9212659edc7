import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'vitest';
import { z } from 'zod';
import { ModelMetadata, decodeModel, encodeModel, openModel } from './index.ts';

const Answers = z.strictObject({
  metadata: ModelMetadata,
  rows: z.array(z.record(z.string(), z.unknown())),
  probabilities: z.array(z.number()),
  labels: z.array(z.string()),
});

const at = (name: string) => fileURLToPath(new URL(`testing/vectors/${name}`, import.meta.url));

test('a model file frozen in 2026-11 still opens from disk and answers as it did', async () => {
  const { metadata, rows, probabilities, labels } = Answers.parse(JSON.parse(await readFile(at('tiny.json'), 'utf8')));
  const model = await openModel({ path: at('tiny.onnx'), metadata });
  const answer = await model.predictRows(rows);
  await model.close();
  assert.deepEqual(answer.labels, labels);
  Array.from(answer.probabilities ?? []).forEach((value, index) => assert.ok(Math.abs(value - (probabilities[index] ?? 0)) < 1e-6));
});

test('the frozen file has one encoding: reading and writing it changes no byte', async () => {
  const bytes = await readFile(at('tiny.onnx'));
  assert.deepEqual(Buffer.from(encodeModel(decodeModel(bytes))), bytes);
});
