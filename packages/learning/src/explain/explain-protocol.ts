import type { ExplainOptions, Explanation, Frame, Row } from '@slipway/kernel';
import type { PlainError } from '../worker-protocol.ts';
import type { BuildRequest } from './build-explainer.ts';
import type { Decision, DraftExplanation, FrameContributions } from './explainer.ts';

/** What the explaining thread is asked. `key` names a stored explainer that was loaded before. */
export type ExplainMessage =
  | { readonly kind: 'build'; readonly request: BuildRequest }
  | { readonly kind: 'load'; readonly key: string; readonly bytes: Uint8Array }
  | {
      readonly kind: 'explain';
      readonly key: string;
      readonly rows: readonly Row[];
      readonly options: ExplainOptions;
      readonly decision: Decision;
    }
  | { readonly kind: 'contributions'; readonly key: string; readonly frame: Frame }
  | { readonly kind: 'interactions'; readonly key: string; readonly frame: Frame };

/** What is known of an explainer without opening it. */
export interface ExplainerFacts {
  readonly method: string;
  readonly space: Explanation['space'];
  readonly immutable: readonly string[];
  readonly additivityError: number;
  readonly hasExamples: boolean;
  /** Leaves of all trees: what explaining a row costs grows with it. */
  readonly leaves: number;
  readonly outputCount: number;
  readonly features: number;
}

export interface ExplainReplies {
  readonly build: { readonly bytes: Uint8Array; readonly facts: ExplainerFacts };
  readonly load: ExplainerFacts;
  readonly explain: readonly DraftExplanation[];
  readonly contributions: FrameContributions;
  readonly interactions: readonly { readonly fields: readonly [string, string]; readonly strength: number }[];
}

export type ExplainReply =
  | { readonly id: number; readonly type: 'done'; readonly value: ExplainReplies[keyof ExplainReplies] }
  /** The explainer was not loaded, or has been given up for others since. */
  | { readonly id: number; readonly type: 'unloaded' }
  | { readonly id: number; readonly type: 'failed'; readonly error: PlainError };
