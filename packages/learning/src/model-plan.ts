import type { Json } from '@slipway/kernel';
import { type Calibration, parseCalibration } from './calibration.ts';
import { TrainRequestError } from './errors.ts';
import { type Choice, choiceOf, completeParams as completeSingle, paramsOf as singleParams } from './hyper-parameters.ts';
import { completeRules } from './rules/train-rules.ts';
import { MEMBER_LIMIT } from './search/blend.ts';
import { TRAINER_NAMES, type TrainerName } from './search/candidates.ts';

/** What a model was trained by: one trainer, several whose margins are averaged, or a decision table. */
export type ModelTrainer = TrainerName | 'ensemble' | 'rules';

/** What to train on all rows. */
export interface ModelPlan {
  /** One, or the members of an ensemble; the weights add up to 1. */
  readonly members: readonly { readonly weight: number; readonly choice: Choice }[];
  readonly calibration: Calibration | null;
  /** Whether roots of the target are learnt. */
  readonly isRoot?: boolean;
}

/** What a recipe hashes and `fixed` takes. */
export interface Recipe {
  readonly trainer: ModelTrainer;
  /**
   * All hyper-parameters of a single trainer, flat; of an ensemble its `members`: [{trainer, weight, params}]. With
   * `calibration` when margins are calibrated, and `link: 'root'` when roots of the target are learnt.
   */
  readonly params: Readonly<Record<string, Json>>;
}

/** Weights of members may miss 1 by this much. */
const WEIGHT_TOLERANCE = 1e-9;

/** The recipe that trains to the same model again. */
export function recipeOfPlan({ members, calibration, isRoot }: ModelPlan): Recipe {
  const calibrated: Record<string, Json> = {
    ...(calibration ? { calibration: plainCalibration(calibration) } : {}),
    ...(isRoot ? { link: 'root' } : {}),
  };
  const [first] = members;
  if (!first) throw new TrainRequestError('A model needs a member.');
  if (members.length === 1) return { trainer: first.choice.candidate.trainer, params: { ...singleParams(first.choice), ...calibrated } };
  const plain = members.map(({ weight, choice }) => ({ trainer: choice.candidate.trainer, weight, params: singleParams(choice) }));
  return { trainer: 'ensemble', params: { members: plain, ...calibrated } };
}

function plainCalibration(calibration: Calibration): Json {
  return calibration.kind === 'isotonic'
    ? { ...calibration, margins: [...calibration.margins], values: [...calibration.values] }
    : { ...calibration };
}

/**
 * The plan that a recipe describes.
 * @throws {TrainRequestError} naming what is unknown, missing or out of its range.
 */
export function planOf(
  { trainer, params }: { readonly trainer: string; readonly params: Readonly<Record<string, unknown>> },
  outputCount: number,
): ModelPlan {
  const complete = completeParams(trainer, params);
  const { calibration: given, link, members: _, ...own } = complete;
  const isRoot = link === 'root';
  const calibration = given === undefined ? null : parseCalibration(given);
  if (trainer !== 'ensemble')
    return { members: [{ weight: 1, choice: choiceOf(trainer as TrainerName, own, outputCount) }], calibration, isRoot };
  const members = membersOf(params).map((member) => ({
    weight: member.weight,
    choice: choiceOf(member.trainer, member.params, outputCount),
  }));
  return { members, calibration, isRoot };
}

/**
 * All hyper-parameters of a recipe: the given ones, and the defaults of those that are missing. What a recipe hashes.
 * @throws {TrainRequestError} naming a parameter that does not exist (with the nearest name) or is out of its range.
 */
export function completeParams(trainer: string, given: Readonly<Record<string, unknown>>): Record<string, Json> {
  if (trainer === 'rules') return completeRules(given);
  const { calibration, link, ...rest } = given;
  if (link !== undefined && link !== 'root')
    throw new TrainRequestError('The parameter "link" says what is learnt of the target: "root", or nothing for the number itself.');
  const calibrated: Record<string, Json> = {
    ...(calibration === undefined ? {} : { calibration: plainCalibration(parseCalibration(calibration)) }),
    ...(link === undefined ? {} : { link }),
  };
  if (trainer !== 'ensemble') return { ...completeSingle(trainer as TrainerName, rest), ...calibrated };
  const unknown = Object.keys(rest).find((name) => name !== 'members');
  if (unknown !== undefined) throw new TrainRequestError(`An ensemble has members and a calibration, no "${unknown.slice(0, 60)}".`);
  const members = membersOf(given).map((member) => ({ ...member, params: completeSingle(member.trainer, member.params) }));
  return { members, ...calibrated };
}

interface Member {
  readonly trainer: TrainerName;
  readonly weight: number;
  readonly params: Readonly<Record<string, Json>>;
}

function membersOf({ members }: Readonly<Record<string, unknown>>): Member[] {
  const help = 'Give members: [{ trainer, weight, params }, ...], with weights that add up to 1.';
  if (!Array.isArray(members) || members.length < 2 || members.length > MEMBER_LIMIT)
    throw new TrainRequestError(`An ensemble has 2 to ${MEMBER_LIMIT} members.`, { help });
  const parsed = members.map((member: unknown, index): Member => {
    const { trainer, weight, params } = (member ?? {}) as Partial<Member>;
    if (!TRAINER_NAMES.includes(trainer as TrainerName))
      throw new TrainRequestError(`Member ${index + 1} of the ensemble names no trainer; there are ${TRAINER_NAMES.join(', ')}.`, { help });
    if (!(typeof weight === 'number' && weight > 0 && weight <= 1) || typeof params !== 'object' || params === null)
      throw new TrainRequestError(`Member ${index + 1} of the ensemble needs a weight in 0..1 and params.`, { help });
    return { trainer: trainer as TrainerName, weight, params };
  });
  const total = parsed.reduce((sum, member) => sum + member.weight, 0);
  if (Math.abs(total - 1) > WEIGHT_TOLERANCE)
    throw new TrainRequestError(`The weights of the ensemble add up to ${total}, not 1.`, { help });
  return parsed;
}
