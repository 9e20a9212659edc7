import { hashJson } from '@slipway/kernel/hash';
import type { LaunchDefinition } from './contract.ts';
import { immutableOf } from './immutable-columns.ts';
import { learningRecipe } from './learning-definition.ts';

/** Raised when the same recipe would train to other bytes: trainer, preparation or export changed. */
export const LEARNING_VERSION = 4;

export interface ModelRecipe {
  /** Content hash of the training data: its canonical rows. */
  readonly data: string;
  /** Hash of the contract, which holds the roles. */
  readonly contract: string;
  /** Columns left out by the leak finder. */
  readonly dropped: readonly string[];
  readonly definition: Partial<Pick<LaunchDefinition, 'objective'>> &
    Pick<
      LaunchDefinition,
      | 'target'
      | 'positive'
      | 'group'
      | 'time'
      | 'task'
      | 'query'
      | 'loss'
      | 'monotone'
      | 'interactions'
      | 'mitigate'
      | 'sensitive'
      | 'immutable'
    >;
  readonly split: { readonly strategy: string; readonly testRatio: number; readonly seed: number };
  readonly trainer: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly seed: number;
}

/** What a model version is made from, and nothing else: the seconds allowed, gates and names are not part of it. */
export function modelRecipe({ data, contract, dropped, definition, split, trainer, params, seed }: ModelRecipe): string {
  const { target, positive, group, time } = definition;
  return hashJson({
    kind: 'slipway.model/1',
    code: LEARNING_VERSION,
    data,
    contract,
    dropped: dropped.toSorted(),
    target,
    positive: positive ?? null,
    // A test file of its own leaves every row to train on, whatever the ratio says.
    split: split.strategy === 'given' ? { strategy: 'given' } : { ...split, group: group ?? null, time: time ?? null },
    trainer,
    params,
    seed,
    ...learningRecipe(definition),
    ...mitigationRecipe(definition),
    ...decisionRecipe(definition.objective),
    ...immutableRecipe(definition),
  });
}

/** Stored with the version, for its counterfactuals; the columns that fairness is measured by are among them. */
function immutableRecipe(definition: Pick<LaunchDefinition, 'immutable' | 'sensitive'>): Record<string, unknown> {
  const immutable = immutableOf(definition);
  return immutable.length > 0 ? { immutable } : {};
}

/** Costs of decisions choose the threshold that is stored with the version; costs of errors only judge it. */
function decisionRecipe(objective: LaunchDefinition['objective']): Record<string, unknown> {
  if (!objective?.costs) return {};
  return { objective: { costs: objective.costs, constraint: objective.constraint ?? null } };
}

/** Only what changes what is learnt or decided. */
function mitigationRecipe({ mitigate, sensitive }: Pick<LaunchDefinition, 'mitigate' | 'sensitive'>): Record<string, unknown> {
  return mitigate === undefined || sensitive.length === 0 ? {} : { mitigate: { method: mitigate, sensitive } };
}

/** A report belongs to a version, the rows it was judged by, and the gates that were fixed for it. */
export function reportRecipe(parts: {
  readonly version: string;
  readonly test: string;
  readonly gates: string;
  readonly acceptLeak: readonly string[];
  readonly sensitive?: readonly string[];
  readonly objective?: LaunchDefinition['objective'];
  readonly baseline?: LaunchDefinition['baseline'];
  /** Whether more was looked into than the gates decide by. */
  readonly evidence?: 'gates' | 'whole';
}): string {
  const { sensitive, objective, baseline, evidence, ...rest } = parts;
  const judgedBy = {
    ...(sensitive && sensitive.length > 0 ? { sensitive } : {}),
    ...(objective ? { objective } : {}),
    ...(baseline ? { baseline } : {}),
    ...(evidence === 'gates' ? { evidence } : {}),
  };
  return hashJson({ kind: 'slipway.report/1', ...rest, ...judgedBy, acceptLeak: parts.acceptLeak.toSorted() });
}
