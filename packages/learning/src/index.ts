export { NoFeatureError, TargetError, TooFewRowsError, TrainRequestError, TrainingCancelledError, TreeSpaceError } from './errors.ts';
export { ForecastInputError } from './errors.ts';
export { CLASS_COUNT_LIMIT, prepareTarget, type PreparedTarget } from './target.ts';
export { CLASS_ROWS_MIN, ROW_COUNT_MIN, requireTrainable } from './check-request.ts';
export { HYPER_PARAMETERS, type ParameterRange } from './hyper-parameters.ts';
export { completeParams, type ModelTrainer } from './model-plan.ts';
export { SECONDS_DEFAULT, THREAD_LIMIT, train, type TrainedModel, type TrainRequest } from './train.ts';
export { completeLoss } from './trees/complete-loss.ts';
export { type Loss, type LossKind, LOSS_KINDS } from './trees/loss.ts';
export type { Direction, ModelConstraints } from './trees/constraints.ts';
export { CANDIDATE_LIMIT, HISTORY_LIMIT, TRAINER_NAMES, type PastConfiguration, type TrainerName } from './search/candidates.ts';
export { checkRules, type RuleFacts } from './rules/train-rules.ts';
export { RuleError } from './rules/errors.ts';
export type { SearchCheckpoint } from './search/checkpoint.ts';
export type { SelectionStrategy } from './search/folds.ts';
export type { LeaderboardEntry } from './search/leaderboard.ts';
export type { ExcludedField, FeaturePlan, Preparation } from './preparation.ts';
export {
  predictFitted,
  predictMargins,
  type EnsembleMember,
  type FittedModel,
  type Link,
  type Predictor,
  type SinglePredictor,
  type Task,
  type TrainerOutputs,
} from './fitted-model.ts';
export { calibrateMargins, type Calibration } from './calibration.ts';
export { ExplainRequestError, ExplainerFormatError, NotExplainableError } from './errors.ts';
export { REFERENCE_ROW_LIMIT, type BuildRequest } from './explain/build-explainer.ts';
export { EXPLAIN_QUEUE_LIMIT, ExplainBusyError, ExplainThread } from './explain/explain-thread.ts';
export { explainableModels, type ExplainableDeps } from './explain/explainable-models.ts';
export { ADDITIVITY_ERROR_MAX, type FrameContributions } from './explain/explainer.ts';
export {
  ForecastAnswer,
  ForecastMetadata,
  ForecastState,
  ForecastVersionMeta,
  HORIZON_LIMIT,
  INTERVAL_LEVELS,
  MEMBERS,
  SEASON_LIMIT,
  SERIES_LIMIT,
  TEST_ORIGINS_LIMIT,
  callContract,
  featureNames,
  forecastLoader,
  forecastMetadata,
  frequencyName,
  openForecaster,
  readForecaster,
  runForecast,
  seriesFromFrame,
  stateOf,
  stepTime,
  testOrigins,
  usedMembers,
  usualHorizon,
  usualSeasons,
  type ForecastLoaderDeps,
  type ForecastRun,
  type ForecastTrial,
  type Forecaster,
  type Frequency,
  type MemberScore,
  type SeriesColumns,
  type SeriesData,
  type SeriesTable,
} from './forecast/index.ts';
export {
  CLUSTER_LIMIT,
  COMPONENT_LIMIT,
  UnsupervisedAnswer,
  UnsupervisedKind,
  UnsupervisedMetadata,
  UnsupervisedVersionMeta,
  openUnsupervised,
  openUnsupervisedGraph,
  readUnsupervised,
  runUnsupervised,
  unsupervisedLoader,
  type UnsupervisedLoaderDeps,
  type UnsupervisedOptions,
  type UnsupervisedRun,
} from './unsupervised/index.ts';
