import { EvaluationInputError } from '../errors.ts';
import type { Leak } from './contract.ts';
import type { EvidenceSource } from './evidence-rows.ts';
import { findGroupOverlap } from './group-overlap.ts';
import { findNearDuplicates } from './near-duplicates.ts';
import { findTimeOrder } from './time-order.ts';

export interface SplitLeakRequest {
  readonly train: EvidenceSource;
  readonly test: EvidenceSource;
  readonly trainTarget: ArrayLike<number>;
  readonly testTarget: ArrayLike<number>;
  readonly regression: boolean;
  readonly target: string;
  /** The inputs of the model to be. */
  readonly fields: readonly string[];
  /** Columns that may name groups; empty when rows were divided by groups. */
  readonly groups: readonly string[];
  /** Columns of times; empty when rows were divided by time. */
  readonly times: readonly string[];
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * What is wrong with the division of rows: rows that are on both sides, groups that are, and a random division of rows
 * that follow time. @throws {EvaluationInputError} {CancelledError}
 */
export async function findSplitLeaks(request: SplitLeakRequest): Promise<Leak[]> {
  const { train, test } = request;
  if (request.trainTarget.length !== train.frame.rowCount || request.testTarget.length !== test.frame.rowCount) {
    throw new EvaluationInputError('Each side needs as many targets as rows.');
  }
  const copies = await findNearDuplicates(request);
  const groups = findGroupOverlap({ ...request, candidates: request.groups });
  const order = findTimeOrder(request);
  return [copies, groups, order].filter((leak) => leak !== undefined);
}
