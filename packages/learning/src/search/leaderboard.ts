import type { Calibration } from '../calibration.ts';
import type { Task } from '../fitted-model.ts';
import type { ModelTrainer } from '../model-plan.ts';
import type { Loss } from '../trees/loss.ts';
import type { Evaluation } from './compare.ts';

/** One line of what was tried: those evaluated on all folds first, best loss first. */
export interface LeaderboardEntry {
  readonly id: string;
  readonly trainer: ModelTrainer;
  /** Of rows that the fit had not seen: log_loss for classes (and roc_auc when binary), rmse for numbers, loss for a loss of its own. */
  readonly scores: Readonly<Record<string, number>>;
  /** Boosting rounds; 0 for linear models. */
  readonly rounds: number;
  /** Folds it was evaluated on; fewer than others have when it fell behind. */
  readonly folds: number;
  /** What its evaluation took. */
  readonly seconds: number;
  /** One row through the fitted predictor in this process, features given: microseconds. */
  readonly latencyUs: number;
  readonly chosen: boolean;
}

export interface LeaderboardOptions {
  readonly task: Task;
  /** What an error of 1 is in the target's unit. */
  readonly unit: number;
  readonly loss?: Loss | undefined;
}

interface Decision {
  /** The single candidate that was chosen. */
  readonly chosen: Evaluation | undefined;
  /** An ensemble, or a single candidate that is calibrated. */
  readonly blend:
    | {
        readonly members: readonly { readonly weight: number; readonly evaluation: Evaluation }[];
        readonly loss: number;
        readonly calibration: Calibration | null;
      }
    | undefined;
}

/** The candidates in order, and what was made of them as a line of its own. */
export function leaderboardOf(
  options: LeaderboardOptions,
  evaluations: readonly Evaluation[],
  { chosen, blend }: Decision,
): LeaderboardEntry[] {
  const entries = evaluations
    .toSorted((left, right) => right.foldCount - left.foldCount || left.loss - right.loss)
    .map((evaluation): LeaderboardEntry => ({
      id: evaluation.candidate.id,
      trainer: evaluation.candidate.trainer,
      scores: scoresOf(options, evaluation.loss, evaluation.rocAuc),
      rounds: evaluation.rounds,
      folds: evaluation.foldCount,
      seconds: evaluation.seconds,
      latencyUs: evaluation.latencyUs,
      chosen: !blend && evaluation.candidate === chosen?.candidate,
    }));
  if (!blend) return entries;
  const { members, loss, calibration } = blend;
  const sum = (valueOf: (evaluation: Evaluation) => number) => members.reduce((total, { evaluation }) => total + valueOf(evaluation), 0);
  const [first] = members;
  const isEnsemble = members.length > 1;
  const name = isEnsemble ? 'ensemble' : (first?.evaluation.candidate.id ?? '');
  return [
    {
      id: calibration ? `${name}+${calibration.kind}` : name,
      trainer: isEnsemble ? 'ensemble' : (first?.evaluation.candidate.trainer ?? 'gbdt'),
      scores: scoresOf(options, loss, null),
      rounds: sum((evaluation) => evaluation.rounds),
      folds: first?.evaluation.foldCount ?? 0,
      seconds: sum((evaluation) => evaluation.seconds),
      latencyUs: sum((evaluation) => evaluation.latencyUs),
      chosen: true,
    },
    ...entries,
  ];
}

function scoresOf({ task, unit, loss }: LeaderboardOptions, value: number, rocAuc: number | null): Record<string, number> {
  if (loss || task === 'ranking') return { loss: value };
  if (task === 'regression') return { rmse: Math.sqrt(value) * unit };
  return { log_loss: value, ...(rocAuc === null ? {} : { roc_auc: rocAuc }) };
}
