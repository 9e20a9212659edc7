import type { Json } from '@slipway/kernel';
import { createRandom, type Random } from '@slipway/statistics';
import type { Penalty } from '../linear/quadratic.ts';
import { TREE_DEFAULTS, type TreeParameters } from '../trees/parameters.ts';

export type TrainerName = 'linear' | 'gbdt';
export const TRAINER_NAMES: readonly TrainerName[] = ['linear', 'gbdt'];

export interface LinearCandidate {
  readonly id: string;
  readonly trainer: 'linear';
  readonly penalty: Penalty;
  /** Products of two features it may have. */
  readonly interactions: number;
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

/** Candidates evaluated together, in this order: the penalties of a linear path, or one forest. */
export type Group = readonly Candidate[];

/** Most candidates one search tries, however long it may take. */
export const CANDIDATE_LIMIT = 100;

/** Penalties of the linear path, strongest first, so that each fit starts from the one before. */
const STRENGTHS = [0.1, 0.03, 0.01, 0.003, 0.001, 3e-4, 1e-4] as const;

/** A linear model with products is simpler than any forest, and less simple than one without. */
const PRODUCTS_COMPLEXITY = 0.5;

const linear = (
  strength: number,
  l1Ratio: number,
  { id, interactions = 0 }: { id?: string; interactions?: number } = {},
): LinearCandidate => ({
  id: id ?? `linear-${interactions > 0 ? 'products' : l1Ratio === 0 ? 'ridge' : 'net'}-${strength}`,
  trainer: 'linear',
  penalty: { strength, l1Ratio },
  interactions,
  complexity: interactions > 0 ? PRODUCTS_COMPLEXITY : 0,
});

/** The ridge path: what every other candidate must beat, since nothing is simpler. Shorter where each fit takes long. */
const RIDGE_PATH: Group = STRENGTHS.map((strength) => linear(strength, 0));
const SHORT_RIDGE_PATH: Group = [0.003, 0.001, 3e-4].map((strength) => linear(strength, 0));
/** Outputs of a model from which on its linear path is short. */
export const MANY_OUTPUTS = 10;
const NET_PATH: Group = STRENGTHS.slice(1, 6).map((strength) => linear(strength, 0.5));
/** Products a linear model of the search may have. */
const SEARCH_INTERACTIONS = 20;
const PRODUCT_PATH: Group = STRENGTHS.slice(1, 6).map((strength) => linear(strength, 0, { interactions: SEARCH_INTERACTIONS }));

type Choice = Pick<TreeParameters, 'learningRate' | 'leafLimit' | 'leafRowsMin' | 'l2' | 'featureRatio' | 'rowRatio' | 'linearStrength'>;

/** Good on most tables, the cheapest first; then random ones. */
const FIRST: Choice = { learningRate: 0.1, leafLimit: 31, leafRowsMin: 20, l2: 1, featureRatio: 1, rowRatio: 1, linearStrength: 0 };
const BY_SIZE: readonly Choice[] = [
  { learningRate: 0.05, leafLimit: 6, leafRowsMin: 20, l2: 1, featureRatio: 0.6, rowRatio: 0.8, linearStrength: 0 },
  { learningRate: 0.05, leafLimit: 15, leafRowsMin: 20, l2: 1, featureRatio: 0.7, rowRatio: 0.8, linearStrength: 0 },
  { learningRate: 0.05, leafLimit: 31, leafRowsMin: 20, l2: 5, featureRatio: 0.5, rowRatio: 0.8, linearStrength: 0 },
  { learningRate: 0.05, leafLimit: 63, leafRowsMin: 30, l2: 5, featureRatio: 0.5, rowRatio: 0.8, linearStrength: 0 },
];
/** Penalty of the linear model that forests of a search begin from. */
const START_STRENGTH = 0.001;
const FIRST_BEGUN: Choice = { ...FIRST, linearStrength: START_STRENGTH };
/** Forests tried first where later rows judge: what grew goes on growing there when they begin from a linear model, as the very first does. */
const FORWARD_BEGUN: readonly Choice[] = [
  { learningRate: 0.05, leafLimit: 31, leafRowsMin: 20, l2: 5, featureRatio: 0.5, rowRatio: 0.8, linearStrength: START_STRENGTH },
];
/** From this many rows on, larger trees are tried before smaller ones. */
const LARGE_ROW_COUNT = 10_000;

const LEARNING_RATES = [0.02, 0.03, 0.05, 0.08] as const;
const LEAVES = [4, 6, 8, 15, 31, 63, 127] as const;
const LEAF_ROWS = [5, 10, 20, 40, 80] as const;
const L2 = [0.1, 1, 5, 20] as const;
const RATIOS = [0.4, 0.6, 0.8, 1] as const;
const ROW_RATIOS = [0.6, 0.8, 1] as const;

/** A configuration of the past: what `TrainedModel.trainer` and `.params` said. */
export interface PastConfiguration {
  readonly trainer: string;
  readonly params: Readonly<Record<string, Json>>;
}

/** Past configurations one search takes up, the first of the list first. */
export const HISTORY_LIMIT = 6;
/** Members of a past ensemble that are looked at. */
const PAST_MEMBER_LIMIT = 8;

export interface PlanOptions {
  readonly trainers: readonly TrainerName[];
  readonly rowCount: number;
  /** Margins a row: 1, or the number of classes when there are more than two. */
  readonly outputCount: number;
  readonly seed: number | string;
  /** Whether later rows judge. */
  readonly isForward?: boolean | undefined;
  readonly history?: readonly PastConfiguration[] | undefined;
}

/** On few rows the best of many candidates is the luckiest, so fewer are tried. */
const SMALL_ROW_COUNT = 2_000;
const SMALL_WAVE_LIMIT = 2;
const WAVE_LIMIT = 12;
const WAVE_SIZE = 6;
/** Of a later wave, this many are neighbours of the best so far; the others are drawn from everywhere. */
const NEIGHBOUR_COUNT = 3;

/** What is evaluated on all folds before anything is compared: the simplest of each trainer. */
export function firstGroups(options: PlanOptions): Group[] {
  const { trainers, rowCount, outputCount, isForward } = options;
  const groups: Group[] = [];
  if (trainers.includes('linear')) groups.push(outputCount > MANY_OUTPUTS ? SHORT_RIDGE_PATH : RIDGE_PATH);
  if (trainers.includes('gbdt')) groups.push([treeCandidate('gbdt-1', isForward && mayBegin(options) ? FIRST_BEGUN : FIRST, rowCount)]);
  return groups;
}

/**
 * The groups of a wave; empty when there are no more. Wave 0: what is good on most tables and what was good in the
 * past; later ones: neighbours of the best forest so far, and random ones. Depends on its arguments only.
 */
export function waveGroups(wave: number, options: PlanOptions, best: TreeCandidate | undefined): Group[] {
  const { trainers, rowCount, outputCount, seed, isForward, history = [] } = options;
  const hasTrees = trainers.includes('gbdt');
  if (wave === 0) {
    const net = trainers.includes('linear') && outputCount <= MANY_OUTPUTS ? [NET_PATH, PRODUCT_PATH] : [];
    const bySize = rowCount < LARGE_ROW_COUNT ? BY_SIZE : BY_SIZE.toReversed();
    const planned = isForward ? [FIRST, ...bySize] : bySize;
    const trees = hasTrees ? planned.map((choice, index): Group => [treeCandidate(`gbdt-${index + 2}`, choice, rowCount)]) : [];
    const begun = hasTrees && mayBegin(options) ? (isForward ? FORWARD_BEGUN : [FIRST_BEGUN]) : [];
    const fromLinear = begun.map((choice, index): Group => [treeCandidate(`gbdt-linear-${index + 1}`, choice, rowCount)]);
    const forests = isForward ? [...fromLinear, ...trees] : [...trees, ...fromLinear];
    return distinctGroups([...pastGroups(history, options), ...net, ...forests], firstGroups(options));
  }
  if (!hasTrees || wave > (rowCount < SMALL_ROW_COUNT ? SMALL_WAVE_LIMIT : WAVE_LIMIT)) return [];
  const random = createRandom(seed).fork(`wave ${wave}`);
  return Array.from({ length: WAVE_SIZE }, (_, index): Group => {
    const choice = best && index < NEIGHBOUR_COUNT ? neighbour(best.parameters, random) : drawChoice(random, best);
    return [treeCandidate(`gbdt-${wave}.${index + 1}`, choice, rowCount)];
  });
}

/** Whether forests may begin from a linear model: it costs little only for one output, and must be allowed. */
function mayBegin({ trainers, outputCount }: PlanOptions): boolean {
  return trainers.includes('linear') && outputCount === 1;
}

/** Anything; every other one begins from a linear model where the best one does. */
function drawChoice(random: Random, best: TreeCandidate | undefined): Choice {
  const pick = <T>(items: readonly T[]): T => items[random.int(items.length)] as T;
  return {
    learningRate: pick(LEARNING_RATES),
    leafLimit: pick(LEAVES),
    leafRowsMin: pick(LEAF_ROWS),
    l2: pick(L2),
    featureRatio: pick(RATIOS),
    rowRatio: pick(ROW_RATIOS),
    linearStrength: pick([0, best?.parameters.linearStrength ?? 0]),
  };
}

/** The same but for one step up or down in each of about two hyper-parameters. */
function neighbour(from: TreeParameters, random: Random): Choice {
  const CHANGE_RATIO = 0.4;
  const step = (items: readonly number[], value: number): number => {
    if (random.next() >= CHANGE_RATIO) return value;
    const at = items.reduce((best, item, index) => (Math.abs(item - value) < Math.abs((items[best] as number) - value) ? index : best), 0);
    const to = at + (random.int(2) === 0 ? -1 : 1);
    return items[Math.min(items.length - 1, Math.max(0, to))] as number;
  };
  return {
    learningRate: step(LEARNING_RATES, from.learningRate),
    leafLimit: step(LEAVES, from.leafLimit),
    leafRowsMin: step(LEAF_ROWS, from.leafRowsMin),
    l2: step(L2, from.l2),
    featureRatio: step(RATIOS, from.featureRatio),
    rowRatio: step(ROW_RATIOS, from.rowRatio),
    linearStrength: from.linearStrength,
  };
}

/** Small tables allow smaller leaves. */
function treeCandidate(id: string, choice: Choice, rowCount: number): TreeCandidate {
  const leafRowsMin = Math.max(2, Math.min(choice.leafRowsMin, Math.floor(rowCount / 40)));
  const parameters = { ...TREE_DEFAULTS, ...choice, leafRowsMin };
  return { id, trainer: 'gbdt', parameters, complexity: complexityOf(parameters) };
}

/** A linear model less is simpler, whatever the trees. */
const START_COMPLEXITY = 0.05;

function complexityOf({ leafLimit, linearStrength }: TreeParameters): number {
  return 1 + Math.log2(leafLimit) / 10 + (linearStrength > 0 ? START_COMPLEXITY : 0);
}

/** Past configurations as groups of one; members of ensembles each by itself; what is no configuration of today is left out. */
function pastGroups(history: readonly PastConfiguration[], options: PlanOptions): Group[] {
  const { trainers } = options;
  const singles = history.flatMap((past) => (past.trainer === 'ensemble' ? membersOf(past.params) : [past]));
  const candidates = singles.flatMap(({ trainer, params }, index): Candidate[] => {
    if (trainer === 'linear' && trainers.includes('linear')) {
      const { strength, l1Ratio, interactions = 0 } = params;
      if (typeof strength !== 'number' || typeof l1Ratio !== 'number' || typeof interactions !== 'number') return [];
      return [linear(strength, l1Ratio, { id: `past-linear-${index + 1}`, interactions })];
    }
    if (trainer !== 'gbdt' || !trainers.includes('gbdt')) return [];
    const known = Object.keys(TREE_DEFAULTS).filter((name) => typeof params[name] === 'number');
    const parameters: TreeParameters = { ...TREE_DEFAULTS, ...Object.fromEntries(known.map((name) => [name, params[name] as number])) };
    if (parameters.linearStrength > 0 && !mayBegin(options)) return [];
    return [{ id: `past-gbdt-${index + 1}`, trainer, parameters, complexity: complexityOf(parameters) }];
  });
  return distinctGroups(
    candidates.map((candidate) => [candidate]),
    [],
  ).slice(0, HISTORY_LIMIT);
}

function membersOf(params: PastConfiguration['params']): PastConfiguration[] {
  const { members } = params;
  if (!Array.isArray(members)) return [];
  return members.slice(0, PAST_MEMBER_LIMIT).flatMap((member) => {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return [];
    const { trainer, params: own } = member;
    if (typeof trainer !== 'string' || typeof own !== 'object' || own === null || Array.isArray(own)) return [];
    return [{ trainer, params: own }];
  });
}

/** Groups that try what no group before them tried. */
function distinctGroups(groups: readonly Group[], tried: readonly Group[]): Group[] {
  const seen = new Set(tried.flat().map(configurationOf));
  return groups.filter((group) => {
    const own = group.map(configurationOf);
    if (own.every((each) => seen.has(each))) return false;
    for (const each of own) seen.add(each);
    return true;
  });
}

function configurationOf(candidate: Candidate): string {
  return candidate.trainer === 'gbdt' ? JSON.stringify(candidate.parameters) : JSON.stringify([candidate.penalty, candidate.interactions]);
}
