import { deserialize, serialize } from 'node:v8';
import { hashJson } from '@slipway/kernel/hash';
import type { Group } from './candidates.ts';
import type { FoldResult } from './evaluate.ts';

/**
 * Keeps finished evaluations, so that a search that is begun again does not repeat them. The caller names the place by
 * what is trained: another table, seed or definition needs another one.
 */
export interface SearchCheckpoint {
  /** What was saved under a key; undefined when nothing was. */
  load(key: string): Promise<Uint8Array | undefined>;
  save(key: string, bytes: Uint8Array): Promise<void>;
}

/** Raised when saved evaluations mean something else. */
const CHECKPOINT_VERSION = 1;

/** The same for the same configurations on the same fold, whatever order they are tried in. */
export function checkpointKey(group: Group, fold: number, rowRatio: number): string {
  const configurations = group.map((each) =>
    each.trainer === 'gbdt' ? each.parameters : { ...each.penalty, interactions: each.interactions },
  );
  // A tree's seed holds its candidate's id.
  return hashJson({ version: CHECKPOINT_VERSION, id: group[0]?.id ?? '', configurations, fold, rowRatio });
}

export function encodeResults(results: readonly FoldResult[]): Uint8Array {
  return serialize(results);
}

/** @returns undefined for bytes that hold no results for so many margins: then they are computed again. */
export function decodeResults(bytes: Uint8Array, marginCount: number): FoldResult[] | undefined {
  try {
    const results: unknown = deserialize(bytes);
    return Array.isArray(results) && results.every((each) => isResult(each, marginCount)) ? (results as FoldResult[]) : undefined;
  } catch {
    return undefined;
  }
}

function isResult(value: unknown, marginCount: number): boolean {
  const result = value as Partial<FoldResult> | null;
  return (
    result?.margins instanceof Float32Array &&
    result.margins.length === marginCount &&
    result.losses instanceof Float32Array &&
    [result.rounds, result.roundsGrown, result.seconds, result.latencyUs].every((each) => Number.isFinite(each))
  );
}
