import type { ErrorBody, Json, Principal } from '@slipway/kernel';

/** `queued` waits for its time or a place in its queue; the last three are ends. */
export type RunStatus = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

/** One durable execution. This row, not the engine's, says what became of it. */
export interface Run {
  readonly id: string;
  readonly project: string;
  readonly workflow: string;
  /** Version of the workflow's definition that the run is pinned to. */
  readonly version: number;
  readonly queue: string;
  readonly status: RunStatus;
  readonly title: string;
  readonly principal: Principal;
  readonly parent: string | null;
  readonly input: Json;
  readonly output: Json | null;
  readonly error: ErrorBody['error'] | null;
  readonly provenance: Json;
  /** 1, and one more for each retry. */
  readonly attempt: number;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** The process that ran it last. */
  readonly executor: string | null;
}

/** One line of a run's progress. `seq` rises within the run; a number may be missing. */
export interface RunEvent {
  readonly run: string;
  readonly seq: number;
  readonly atMs: number;
  readonly phase: string;
  readonly message: string | null;
  /** Share done of the phase, 0..1. */
  readonly ratio: number | null;
  readonly data: Json | null;
}

/** What a follower of a run sees: progress in order, and the run whenever its status changes; the end comes last. */
export type RunUpdate = { readonly type: 'event'; readonly event: RunEvent } | { readonly type: 'run'; readonly run: Run };

export function hasEnded(status: RunStatus): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled';
}
