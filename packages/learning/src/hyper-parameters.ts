import { type Json, nearestName } from '@slipway/kernel';
import { TrainRequestError } from './errors.ts';
import type { Penalty } from './linear/quadratic.ts';
import { PRODUCT_LIMIT } from './linear/screen-products.ts';
import { type Candidate, TRAINER_NAMES, type TrainerName } from './search/candidates.ts';
import { TREE_DEFAULTS, TREE_LIMIT, type TreeParameters } from './trees/parameters.ts';

/** What one hyper-parameter may be, and what it is when nobody says. */
export interface ParameterRange {
  readonly default: number;
  readonly low: number;
  readonly high: number;
  /** Whole numbers only. */
  readonly isWhole?: boolean;
}

/** Trees in sequence when `rounds` is not given: LightGBM's default, as the others are. */
export const ROUNDS_DEFAULT = 100;
/** Ridge, about scikit-learn's C = 1 on a thousand rows. */
const PENALTY_DEFAULTS: Penalty = { strength: 1e-3, l1Ratio: 0 };

const whole = (standard: number, low: number, high: number): ParameterRange => ({ default: standard, low, high, isWhole: true });
const real = (standard: number, low: number, high: number): ParameterRange => ({ default: standard, low, high });

const TREE_RANGES: Readonly<Record<keyof TreeParameters | 'rounds', ParameterRange>> = {
  rounds: whole(ROUNDS_DEFAULT, 1, TREE_LIMIT),
  learningRate: real(TREE_DEFAULTS.learningRate, 1e-4, 1),
  leafLimit: whole(TREE_DEFAULTS.leafLimit, 2, 4_096),
  depthLimit: whole(TREE_DEFAULTS.depthLimit, 0, 1_000),
  leafRowsMin: whole(TREE_DEFAULTS.leafRowsMin, 1, 1e9),
  leafHessianMin: real(TREE_DEFAULTS.leafHessianMin, 0, 1e9),
  l1: real(TREE_DEFAULTS.l1, 0, 1e9),
  l2: real(TREE_DEFAULTS.l2, 0, 1e9),
  gainMin: real(TREE_DEFAULTS.gainMin, 0, 1e9),
  featureRatio: real(TREE_DEFAULTS.featureRatio, 1e-3, 1),
  rowRatio: real(TREE_DEFAULTS.rowRatio, 1e-3, 1),
  binLimit: whole(TREE_DEFAULTS.binLimit, 3, 255),
  categorySmooth: real(TREE_DEFAULTS.categorySmooth, 0, 1e9),
  categoryL2: real(TREE_DEFAULTS.categoryL2, 0, 1e9),
  categorySetLimit: whole(TREE_DEFAULTS.categorySetLimit, 1, 255),
  categoryOneAgainstRestLimit: whole(TREE_DEFAULTS.categoryOneAgainstRestLimit, 0, 255),
  categoryGroupRowsMin: whole(TREE_DEFAULTS.categoryGroupRowsMin, 1, 1e9),
  linearStrength: real(TREE_DEFAULTS.linearStrength, 0, 1e6),
};

const LINEAR_RANGES: Readonly<Record<keyof Penalty | 'interactions', ParameterRange>> = {
  strength: real(PENALTY_DEFAULTS.strength, 1e-9, 1e6),
  l1Ratio: real(PENALTY_DEFAULTS.l1Ratio, 0, 1),
  interactions: whole(0, 0, PRODUCT_LIMIT),
};

/** Every hyper-parameter of each trainer. */
export const HYPER_PARAMETERS: Readonly<Record<TrainerName, Readonly<Record<string, ParameterRange>>>> = {
  gbdt: TREE_RANGES,
  linear: LINEAR_RANGES,
};

/**
 * All hyper-parameters of a trainer: the given ones, and the defaults of those that are missing. What a recipe hashes.
 * @throws {TrainRequestError} naming a parameter that does not exist (with the nearest name) or is out of its range.
 */
export function completeParams(trainer: TrainerName, given: Readonly<Record<string, unknown>>): Record<string, number> {
  const ranges = HYPER_PARAMETERS[trainer] as (typeof HYPER_PARAMETERS)[TrainerName] | undefined;
  if (!ranges) throw new TrainRequestError(`There is no trainer "${trainer}"; there are ${TRAINER_NAMES.join(', ')}.`);
  for (const name of Object.keys(given)) if (!Object.hasOwn(ranges, name)) throw unknownParameter(trainer, name, Object.keys(ranges));
  return Object.fromEntries(
    Object.entries(ranges).map(([name, range]) => [
      name,
      Object.hasOwn(given, name) ? checked(trainer, name, given[name], range) : range.default,
    ]),
  );
}

function unknownParameter(trainer: TrainerName, name: string, names: readonly string[]): TrainRequestError {
  const nearest = nearestName(name, names);
  return new TrainRequestError(`The trainer ${trainer} has no parameter "${name.slice(0, 60)}".`, {
    details: { trainer, parameter: name.slice(0, 60), nearest: nearest ?? null, parameters: [...names] },
    help: nearest ? `Did you mean "${nearest}"?` : `Its parameters are ${names.join(', ')}.`,
  });
}

function checked(trainer: TrainerName, name: string, value: unknown, { low, high, isWhole }: ParameterRange): number {
  const isNumber = typeof value === 'number' && Number.isFinite(value);
  if (isNumber && value >= low && value <= high && (!isWhole || Number.isInteger(value))) return value;
  const shown = isNumber ? String(value) : typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : `${typeof value}`;
  throw new TrainRequestError(
    `The parameter "${name}" of ${trainer} must be a ${isWhole ? 'whole ' : ''}number from ${low} to ${high}, got ${shown}.`,
    { details: { trainer, parameter: name, low, high, isWhole: isWhole ?? false, got: isNumber ? value : null } },
  );
}

/** A candidate with its rounds; 0 rounds for a linear model. */
export interface Choice {
  readonly candidate: Candidate;
  readonly rounds: number;
}

/** Id of the candidate that nobody searched for. */
export const GIVEN_CANDIDATE = 'given';

/**
 * The candidate that hyper-parameters describe.
 * @throws {TrainRequestError} see `completeParams`; also when rounds times outputs exceed TREE_LIMIT.
 */
export function choiceOf(trainer: TrainerName, given: Readonly<Record<string, Json>>, outputCount: number): Choice {
  const params = completeParams(trainer, given);
  if (trainer === 'linear') {
    const { strength = 0, l1Ratio = 0, interactions = 0 } = params;
    return { candidate: { id: GIVEN_CANDIDATE, trainer, penalty: { strength, l1Ratio }, interactions, complexity: 0 }, rounds: 0 };
  }
  const { rounds = ROUNDS_DEFAULT, ...rest } = params;
  const limit = roundLimitOf(outputCount);
  if (rounds > limit) {
    throw new TrainRequestError(
      `The parameter "rounds" of gbdt may be ${limit} at most with ${outputCount} trees a round, got ${rounds}.`,
      {
        details: { trainer, parameter: 'rounds', low: 1, high: limit, got: rounds },
      },
    );
  }
  // TREE_RANGES has exactly the keys of TreeParameters and `rounds`.
  const parameters = rest as unknown as TreeParameters;
  return { candidate: { id: GIVEN_CANDIDATE, trainer, parameters, complexity: 0 }, rounds };
}

/** Rounds a forest may have. */
export function roundLimitOf(outputCount: number): number {
  return Math.floor(TREE_LIMIT / outputCount);
}

/** The hyper-parameters that train to the same model again: complete, flat, and nothing else. */
export function paramsOf({ candidate, rounds }: Choice): Record<string, number> {
  return candidate.trainer === 'gbdt'
    ? { ...candidate.parameters, rounds }
    : { ...candidate.penalty, interactions: candidate.interactions };
}
