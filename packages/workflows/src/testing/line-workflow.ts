import { appendFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { defineWorkflow } from '@slipway/kernel';
import { z } from 'zod';

/**
 * Each step first writes "run step" as a line, then works a while. A line of a later step proves that the earlier step
 * was stored, so after it no line of an earlier step may come.
 */
export const lineWorkflow = defineWorkflow({
  name: 'lines',
  version: 1,
  input: z.object({ file: z.string(), steps: z.int(), stepMs: z.number() }),
  queue: 'lines',
  run: async (context, { file, steps, stepMs }) => {
    for (let step = 0; step < steps; step += 1) {
      await context.step(`line ${step}`, async () => {
        await appendFile(file, `${context.run} ${step}\n`);
        await context.progress({ phase: 'inside', message: String(step) });
        await delay(stepMs);
      });
      await context.progress({ phase: 'between', message: String(step), ratio: (step + 1) / steps });
    }
    return { steps };
  },
});

export interface LineCheck {
  /** Steps executed in all, of all runs. */
  readonly executed: number;
  /** Executions beyond the first of a step. */
  readonly repeated: number;
  /** Lines of a step after a line of a later step of the same run: completed work done again. */
  readonly wrong: readonly string[];
  /** Runs by the last step they wrote. */
  readonly last: ReadonlyMap<string, number>;
}

export function checkLines(text: string): LineCheck {
  const last = new Map<string, number>();
  const wrong: string[] = [];
  let executed = 0;
  let repeated = 0;
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const [run = '', stepText = ''] = line.split(' ');
    const step = Number(stepText);
    const before = last.get(run) ?? -1;
    executed += 1;
    if (step < before || step > before + 1) wrong.push(line);
    if (step === before) repeated += 1;
    last.set(run, Math.max(step, before));
  }
  return { executed, repeated, wrong, last };
}
