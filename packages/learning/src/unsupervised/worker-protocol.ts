import type { Contract, Frame } from '@slipway/kernel';
import type { PlainError } from '../worker-protocol.ts';
import type { UnsupervisedOptions } from './fit.ts';
import type { Judgement } from './judge.ts';

export interface UnsupervisedWork {
  /** Fields with roles; what must not be learnt from is ignored. */
  readonly contract: Contract;
  readonly train: Frame;
  readonly test: Frame;
  readonly labels?: Int32Array | undefined;
  readonly options: UnsupervisedOptions;
}

/** A group of training rows, and where they differ most from all rows. */
export interface ClusterFacts {
  readonly cluster: number;
  readonly rows: number;
  readonly traits: readonly string[];
}

export interface ComponentFacts {
  readonly component: number;
  readonly share: number;
  readonly weights: readonly { readonly of: string; readonly weight: number }[];
}

export interface UnsupervisedDone {
  readonly bytes: Uint8Array;
  /** What explains its answers, packed. */
  readonly explainer: Uint8Array;
  readonly contract: Contract;
  readonly features: readonly string[];
  readonly excluded: readonly { readonly field: string; readonly reason: string }[];
  readonly count: number;
  readonly threshold: number | null;
  readonly judgement: Judgement;
  readonly tried: readonly { readonly clusters: number; readonly silhouette: number }[];
  readonly clusters: readonly ClusterFacts[];
  readonly components: readonly ComponentFacts[];
  /** The model's own answers for the first test rows, for parity with the graph. */
  readonly parity: { readonly rows: number; readonly prediction: Float64Array; readonly features: Float32Array; readonly width: number };
}

export type UnsupervisedReply =
  | { readonly type: 'done'; readonly value: UnsupervisedDone }
  | { readonly type: 'progress'; readonly ratio: number; readonly message: string }
  | { readonly type: 'failed'; readonly error: PlainError };
