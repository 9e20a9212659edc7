export { NoFeatureError, TargetError, TooFewRowsError, TrainRequestError, TrainingCancelledError, TreeSpaceError } from './errors.ts';
export { CLASS_COUNT_LIMIT, prepareTarget, type PreparedTarget } from './target.ts';
export { CLASS_ROWS_MIN, ROW_COUNT_MIN, SECONDS_DEFAULT, THREAD_LIMIT, requireTrainable, train, type TrainedModel, type TrainRequest } from './train.ts';
export { CANDIDATE_LIMIT, TRAINER_NAMES, type TrainerName } from './search/candidates.ts';
export type { LeaderboardEntry } from './search/search.ts';
export type { ExcludedField, FeaturePlan, Preparation } from './preparation.ts';
export { predictFitted, type FittedModel, type Task, type TrainerOutputs } from './fitted-model.ts';
