/** Writes the frozen model and its answers again; run it only when the export format changes on purpose. */
import { writeFile } from 'node:fs/promises';
import { openModel } from '../../model.ts';
import { syntheticModel } from '../synthetic-model.ts';

const { bytes, metadata, rows } = syntheticModel({ numeric: 4, categorical: 3, times: 1, trees: 12, depth: 3, seed: 42 });
const sample = rows(12);
const model = await openModel({ bytes, metadata, prepare: 'here', pack: false });
const { probabilities, labels } = await model.predictRows(sample);
await model.close();
await writeFile(new URL('tiny.onnx', import.meta.url), bytes);
const answers = { metadata, rows: sample, probabilities: Array.from(probabilities ?? []), labels };
await writeFile(new URL('tiny.json', import.meta.url), `${JSON.stringify(answers, null, 1)}\n`);
