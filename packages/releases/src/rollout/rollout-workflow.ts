import { type Job, type WorkflowContext, type WorkflowDefinition, defineWorkflow } from '@slipway/kernel';
import { z } from 'zod';
import type { Rollout } from './contract.ts';
import { ROLLOUT_WORKFLOW, type Rollouts } from './rollout-service.ts';

/** Runs of rollouts wait most of the time; each release has at most one. */
export const ROLLOUT_QUEUE = { name: 'rollout', concurrency: 256 } as const;
/** Looks that may fail one after the other before the run does. */
export const FAILED_LOOKS_LIMIT = 10;
/**
 * Looks take at most this share of the time, however much there is to count. The first of a watch is not counted: it also waits
 * for what reads the calls to start, and ten times that is what a rollout would stand still after each restart.
 */
const LOOK_TIME_RATIO = 0.1;
/** Without news the run says so this often. */
const HEARTBEAT_MS = 10 * 60_000;

/**
 * Watches one rollout to its end. The state is the rollout's row, changed in transactions, so the watch is one step that may
 * begin again any time: a killed server looks at the same recorded calls and goes on.
 */
export function rolloutWorkflow(rollouts: Rollouts): WorkflowDefinition {
  return defineWorkflow({
    name: ROLLOUT_WORKFLOW,
    version: 1,
    queue: ROLLOUT_QUEUE.name,
    input: z.strictObject({ rollout: z.string() }),
    run: (context, { rollout }) =>
      context.step('watch', async () => {
        const ended = await watch(rollouts, context, rollout);
        const { release, status, reason, candidate, champion } = ended;
        return { rollout, release, status, reason, candidate, champion };
      }),
  });
}

/** Rollouts whose run was cancelled or failed give their traffic back. */
export function rolloutJob(rollouts: Rollouts): Job {
  return { name: 'releases.rollouts', everyMs: 5_000, run: () => rollouts.tend() };
}

async function watch(rollouts: Rollouts, context: WorkflowContext, id: string): Promise<Rollout> {
  let told = '';
  let toldAtMs = Number.NEGATIVE_INFINITY;
  for (let failures = 0, looks = 0; ; looks += 1) {
    context.signal.throwIfAborted();
    const touched = rollouts.touched(id);
    const startedMs = performance.now();
    let lookSeconds = 1;
    try {
      const rollout = await rollouts.look(context.project, id);
      failures = 0;
      lookSeconds = rollout.plan.lookSeconds;
      const news = `${rollout.status} ${rollout.step} ${rollout.look?.verdict ?? ''}`;
      if (news !== told || startedMs - toldAtMs > HEARTBEAT_MS) {
        [told, toldAtMs] = [news, startedMs];
        await tell(context, rollout);
      }
      if (rollout.endedAt !== null) return rollout;
    } catch (error) {
      context.signal.throwIfAborted();
      failures += 1;
      if (failures >= FAILED_LOOKS_LIMIT) throw error;
      await context.progress({
        phase: 'watch',
        message: `a look failed and is repeated: ${error instanceof Error ? error.message : String(error)}`,
      });
    }
    const tookMs = looks === 0 ? 0 : performance.now() - startedMs;
    await pause(Math.max(lookSeconds * 1000, tookMs / LOOK_TIME_RATIO), touched, context.signal);
  }
}

async function tell(context: WorkflowContext, rollout: Rollout): Promise<void> {
  const { step, plan, status, look, reason } = rollout;
  const verdict = look ? `${look.verdict}: ${look.reason}` : 'no calls yet';
  await context.progress({
    phase: status === 'running' ? `step ${step + 1} of ${plan.steps.length}` : status,
    message: rollout.endedAt === null ? verdict : (reason ?? status),
    ratio: rollout.endedAt === null ? step / plan.steps.length : 1,
  });
}

/** Until the time is over, somebody acted on the rollout, or the run is to stop. */
async function pause(milliseconds: number, touched: Promise<void>, signal: AbortSignal): Promise<void> {
  let stop = () => {};
  await Promise.race([
    touched,
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      stop = () => {
        clearTimeout(timer);
        resolve();
      };
      signal.addEventListener('abort', stop, { once: true });
    }),
  ]);
  signal.removeEventListener('abort', stop);
  stop();
}
