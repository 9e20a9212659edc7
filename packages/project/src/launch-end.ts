import { type Json, type WorkflowContext, canonicalJson } from '@slipway/kernel';
import type { LaunchRequest, LaunchResult } from './contract.ts';
import { type LaunchDeps, secondsSince } from './launch-deps.ts';
import { type EvaluateStep, ReleaseStep } from './launch-state.ts';

/** Puts a judged version live; the same for every kind of launch. */
export type Release = (
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  state: { readonly version: { readonly version: string }; readonly evaluated: EvaluateStep },
) => Promise<ReleaseStep>;

/** What a step returns, as the JSON that is stored of it. */
export const asJson = (value: unknown): Json => JSON.parse(canonicalJson(value)) as Json;

export interface JudgedLaunch {
  readonly release: Release;
  readonly version: string;
  readonly evaluated: EvaluateStep;
  readonly startedMs: number;
  /** Of the steps before. */
  readonly seconds: Pick<LaunchResult['seconds'], 'dataset' | 'plan' | 'train'>;
}

/** The last step of every launch, and how long all of them took. */
export async function endLaunch(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  { release, version, evaluated, startedMs, seconds }: JudgedLaunch,
): Promise<{ readonly released: ReleaseStep; readonly seconds: LaunchResult['seconds'] }> {
  const released = ReleaseStep.parse(
    await context.step('release', async () => asJson(await release(deps, context, request, { version: { version }, evaluated }))),
  );
  await context.progress({
    phase: 'done',
    ratio: 1,
    message: released
      ? `${released.name} revision ${released.revision} is ${released.rollout === null ? 'live' : 'in a rollout'}`
      : 'a gate failed',
  });
  return { released, seconds: { ...seconds, evaluate: evaluated.seconds, total: secondsSince(deps.clock, startedMs) } };
}
