/**
 * One-row latency of a model as serving runs it: as a program, by ONNX Runtime packed into one tensor, and fed input by input; alone and with
 * 32 callers at once. `node bench/model-single-row.ts [calls]`. The model has 20 numeric and 10 string columns and 300
 * random trees of 32 leaves, the worst case for branch prediction; a trained ensemble is quicker.
 */
import { measureLatency, openModel, type OnnxModel } from '@slipway/models';
import { syntheticModel } from '@slipway/models/testing';

const calls = Number(process.argv[2] ?? 20_000);
const CALLERS = 32;
const { bytes, metadata, rows } = syntheticModel({ numeric: 20, categorical: 10, trees: 300, depth: 5 });
const sample = rows(500);

async function usPerRowTogether(model: OnnxModel): Promise<number> {
  const rounds = Math.ceil(calls / CALLERS);
  const startedMs = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    const batch = Array.from({ length: CALLERS }, (_, index) => sample[(round * CALLERS + index) % sample.length] ?? {});
    await Promise.all(batch.map(async (row) => model.predictRows([row])));
  }
  return ((performance.now() - startedMs) * 1_000) / (rounds * CALLERS);
}

const WAYS = [{ compile: true }, { compile: false }, { pack: false }];
for (const way of WAYS) {
  const startedMs = performance.now();
  const model = await openModel({ bytes, metadata, ...way });
  const openMs = performance.now() - startedMs;
  await measureLatency(model, sample, { repeats: 5_000 });
  const { p50Ms, p95Ms } = await measureLatency(model, sample, { repeats: calls });
  const result = {
    layout: model.facts.layout,
    engine: model.facts.engine,
    why: model.facts.uncompiledReason,
    lane: model.facts.lane,
    openMs: Math.round(openMs),
    singleRowUsP50: Math.round(p50Ms * 10_000) / 10,
    singleRowUsP95: Math.round(p95Ms * 10_000) / 10,
    [`usPerRowWith${CALLERS}Callers`]: Math.round((await usPerRowTogether(model)) * 10) / 10,
  };
  console.log(JSON.stringify(result));
  await model.close();
}
