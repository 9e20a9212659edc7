import { createRandom, type Random } from '@slipway/statistics';
import type { Penalty } from '../linear/quadratic.ts';
import { TREE_DEFAULTS, type TreeParameters } from '../trees/parameters.ts';

export type TrainerName = 'linear' | 'gbdt';
export const TRAINER_NAMES: readonly TrainerName[] = ['linear', 'gbdt'];

export interface LinearCandidate {
  readonly id: string;
  readonly trainer: 'linear';
  readonly penalty: Penalty;
  /** Lower is simpler; decides between candidates whose losses cannot be told apart. */
  readonly complexity: number;
}

export interface TreeCandidate {
  readonly id: string;
  readonly trainer: 'gbdt';
  readonly parameters: TreeParameters;
  readonly complexity: number;
}

export type Candidate = LinearCandidate | TreeCandidate;

/** Most candidates one search tries, however long it may take. */
export const CANDIDATE_LIMIT = 40;

/** Penalties of the linear path, strongest first, so that each fit starts from the one before. */
const STRENGTHS = [0.1, 0.03, 0.01, 0.003, 0.001, 3e-4, 1e-4] as const;

const linear = (strength: number, l1Ratio: number): LinearCandidate => ({
  id: `linear-${l1Ratio === 0 ? 'ridge' : 'net'}-${strength}`,
  trainer: 'linear',
  penalty: { strength, l1Ratio },
  complexity: 0,
});

/** What is tried, in order, as groups that one worker evaluates together. Time decides how many groups are reached. */
export function planCandidates(trainers: readonly TrainerName[], rowCount: number, seed: number | string): Candidate[][] {
  const groups: Candidate[][] = [];
  const trees = trainers.includes('gbdt') ? treeCandidates(rowCount, seed) : [];
  if (trainers.includes('linear')) groups.push(STRENGTHS.map((strength) => linear(strength, 0)));
  const [first, ...rest] = trees;
  if (first) groups.push([first]);
  if (trainers.includes('linear')) groups.push(STRENGTHS.slice(1, 6).map((strength) => linear(strength, 0.5)));
  groups.push(...rest.map((candidate) => [candidate]));
  return groups;
}

type Choice = Pick<TreeParameters, 'learningRate' | 'leafLimit' | 'leafRowsMin' | 'l2' | 'featureRatio' | 'rowRatio'>;

/** Good on most tables, the cheapest first; then random ones. */
const FIRST: Choice = { learningRate: 0.1, leafLimit: 31, leafRowsMin: 20, l2: 1, featureRatio: 1, rowRatio: 1 };
const BY_SIZE: readonly Choice[] = [
  { learningRate: 0.05, leafLimit: 6, leafRowsMin: 20, l2: 1, featureRatio: 0.6, rowRatio: 0.8 },
  { learningRate: 0.05, leafLimit: 15, leafRowsMin: 20, l2: 1, featureRatio: 0.7, rowRatio: 0.8 },
  { learningRate: 0.05, leafLimit: 31, leafRowsMin: 20, l2: 5, featureRatio: 0.5, rowRatio: 0.8 },
  { learningRate: 0.05, leafLimit: 63, leafRowsMin: 30, l2: 5, featureRatio: 0.5, rowRatio: 0.8 },
];
/** From this many rows on, larger trees are tried before smaller ones. */
const LARGE_ROW_COUNT = 10_000;

const LEARNING_RATES = [0.02, 0.03, 0.05, 0.08] as const;
const LEAVES = [4, 8, 15, 31, 63, 127] as const;
const LEAF_ROWS = [5, 10, 20, 40, 80] as const;
const L2 = [0.1, 1, 5, 20] as const;
const RATIOS = [0.4, 0.6, 0.8, 1] as const;

/** On few rows the best of many candidates is the luckiest, so fewer are tried. */
const SMALL_ROW_COUNT = 2_000;
const SMALL_TREE_CANDIDATES = 8;

function treeCandidates(rowCount: number, seed: number | string): TreeCandidate[] {
  const random = createRandom(seed).fork('candidates');
  const limit = rowCount < SMALL_ROW_COUNT ? SMALL_TREE_CANDIDATES : CANDIDATE_LIMIT - 2 * STRENGTHS.length;
  const planned = [FIRST, ...(rowCount < LARGE_ROW_COUNT ? BY_SIZE : BY_SIZE.toReversed())];
  const choices = Array.from({ length: limit }, (_, index) => planned[index] ?? drawChoice(random));
  return choices.map((choice, index) => treeCandidate(`gbdt-${index + 1}`, choice, rowCount));
}

function drawChoice(random: Random): Choice {
  const pick = <T>(items: readonly T[]): T => items[random.int(items.length)] as T;
  return {
    learningRate: pick(LEARNING_RATES),
    leafLimit: pick(LEAVES),
    leafRowsMin: pick(LEAF_ROWS),
    l2: pick(L2),
    featureRatio: pick(RATIOS),
    rowRatio: pick(RATIOS.slice(1)),
  };
}

/** Small tables allow smaller leaves. */
function treeCandidate(id: string, choice: Choice, rowCount: number): TreeCandidate {
  const leafRowsMin = Math.max(2, Math.min(choice.leafRowsMin, Math.floor(rowCount / 40)));
  return {
    id,
    trainer: 'gbdt',
    parameters: { ...TREE_DEFAULTS, ...choice, leafRowsMin },
    complexity: 1 + Math.log2(choice.leafLimit) / 10,
  };
}
