import { rowsNeeded } from '@slipway/evaluation';
import type { LaunchResult } from '../contract.ts';
import type { AttemptFacts, RetrainPolicy } from './contract.ts';

/** Rows that both versions are judged by, at least. */
export const HELD_BACK_ROWS_MIN = 30;
/** Share of the calls that judges both versions when the policy names none and nothing asks for more. */
export const HOLD_BACK_RATIO = 0.2;
/** Learning needs the rest. */
export const HOLD_BACK_RATIO_MAX = 0.5;
/** When even {@link HOLD_BACK_RATIO_MAX} would be too few, more of them are not worth what is not learnt from them. */
const HOLD_BACK_RATIO_UNREACHED = 1 / 3;

export interface HoldBackSituation {
  readonly policy: Pick<RetrainPolicy, 'data' | 'margin' | 'require'>;
  /** Labelled calls at hand. */
  readonly calls: number;
  /** Earlier attempts, the newest first. */
  readonly before: readonly Pick<AttemptFacts, 'comparison' | 'data'>[];
  /** The primary metric of the live version when it was proven, and by how many rows. */
  readonly proven: { readonly metric: LaunchResult['metrics'][string] | undefined; readonly rows: number };
}

/**
 * The latest share of the calls that both versions are judged by: the policy's own; else a fifth, and as much more as the
 * margin needs by what is known of the noise. Never fewer than {@link HELD_BACK_ROWS_MIN} when half of the calls are as many. Pure.
 */
export function holdBackRatio(situation: HoldBackSituation): number {
  const fewest = Math.min(HOLD_BACK_RATIO_MAX, HELD_BACK_ROWS_MIN / Math.max(1, situation.calls));
  return Math.max(fewest, wishedRatio(situation));
}

function wishedRatio({ policy, calls, before, proven }: HoldBackSituation): number {
  const { data, margin, require } = policy;
  if (data.holdBack !== undefined) return data.holdBack;
  const needed = neededBefore(before, { margin, require }) ?? neededAtFirst(proven, margin);
  if (needed === null || calls === 0) return HOLD_BACK_RATIO;
  const ratio = needed / calls;
  return ratio > HOLD_BACK_RATIO_MAX ? HOLD_BACK_RATIO_UNREACHED : Math.max(HOLD_BACK_RATIO, ratio);
}

/** By the noise of the last comparison. */
function neededBefore(before: HoldBackSituation['before'], { margin, require }: Pick<RetrainPolicy, 'margin' | 'require'>): number | null {
  const last = before.find(({ comparison, data }) => comparison?.low !== null && comparison?.improvement !== null && comparison && data);
  const { improvement = null, low = null } = last?.comparison ?? {};
  if (improvement === null || low === null) return null;
  return rowsNeeded({ value: improvement, low, rows: last?.data?.heldBack ?? 0, margin, require });
}

/** Two versions of one release are mostly right in the same rows, so their difference is no noisier than one of them. */
function neededAtFirst({ metric, rows }: HoldBackSituation['proven'], margin: number): number | null {
  if (!metric || metric.value === null || metric.low === null) return null;
  return rowsNeeded({ value: 0, low: metric.low - metric.value, rows, margin, require: 'no-worse' });
}
