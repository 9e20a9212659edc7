import type { Engine, Numbers } from '../engine.ts';
import { ModelClosedError } from '../errors.ts';
import type { EncodedRows } from '../input-plan.ts';
import { tableBytes } from './forest-tables.ts';
import type { GraphProgram } from './program.ts';
import { createScorer } from './scorer.ts';

/** Computes a program on the calling thread, without ONNX Runtime: no session, no call into native code, no waiting for a turn. */
export function openCompiledEngine(program: GraphProgram): Engine {
  const scorer = createScorer(program);
  let isClosed = false;
  const runNow = ({ numbers, rowCount }: EncodedRows, outputs: readonly string[]): Numbers[] => {
    if (isClosed) throw new ModelClosedError('The model was closed.');
    return outputs.map((name) => scorer.score(numbers, rowCount, name));
  };
  return {
    runNow,
    /** In a turn of its own, as ONNX Runtime: whoever runs piece after piece leaves room for other work between them. */
    run: (rows, outputs) =>
      new Promise((resolve, reject) => {
        setImmediate(() => {
          try {
            resolve(runNow(rows, outputs));
          } catch (thrown) {
            reject(thrown as Error);
          }
        });
      }),
    async close() {
      isClosed = true;
    },
  };
}

/** What a program holds in memory, in bytes. */
export function programBytes(program: GraphProgram): number {
  let bytes = program.cells * Float64Array.BYTES_PER_ELEMENT;
  for (const step of program.steps) {
    if (step.op === 'matMul') bytes += step.weights.byteLength;
    if (step.op !== 'trees') continue;
    for (const list of Object.values(step.forest)) bytes += (list as { readonly byteLength: number }).byteLength;
    if (step.tables) bytes += tableBytes(step.tables);
  }
  return bytes;
}
