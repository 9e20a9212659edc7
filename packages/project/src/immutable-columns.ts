import type { LaunchDefinition } from './contract.ts';

/** What a person cannot change, or must not be told to: asked for, and every column that fairness is measured by. */
export function immutableOf({ immutable, sensitive }: Pick<LaunchDefinition, 'immutable' | 'sensitive'>): string[] {
  return [...new Set([...immutable, ...sensitive])].toSorted();
}
