export {
  Baseline,
  CURVE_POINT_LIMIT,
  CalibrationBin,
  ClassBalance,
  ConfusionTable,
  Curves,
  EvaluationReport,
  FieldImportance,
  ForecastSection,
  GateDefinition,
  GateDefinitions,
  GateResult,
  Importances,
  Improvement,
  LATENCY_P95_MS_MAX_DEFAULT,
  Leak,
  LeakKind,
  LeakRow,
  MetricName,
  MetricValue,
  MetricValues,
  PARITY_PROBABILITY_ERROR_MAX,
  PARITY_REGRESSION_ERROR_MAX,
  RulesSection,
  SPLIT_LEAKS,
  ReportTask,
  Task,
  UnsupervisedSection,
} from './contract.ts';
export { EvaluationInputError, UnknownMetricError } from './errors.ts';
export type { ModelPredictions, TaskData, Truth } from './inputs.ts';
export { higherIsBetter, metricsOf, primaryMetric, type TrainedLoss } from './metric-table.ts';
export { decisionsOf } from './metric-plan.ts';
export { predictsClasses } from './inputs.ts';
export { evaluate, type EvaluateRequest, type Evaluation } from './evaluate.ts';
export { BOOTSTRAP_DRAW_LIMIT, RESAMPLES_MIN } from './resampling.ts';
export { REPORT_RULE_LIMIT } from './rules/contract.ts';
export { Comparison } from './compare/contract.ts';
export { rowsNeeded } from './compare/rows-needed.ts';
export { compareModels, type CompareRequest } from './compare/compare-models.ts';
export { DecisionCosts, DecisionRule, Objective, ObjectiveConstraint, ObjectiveResult, UnitErrorCosts } from './objective/contract.ts';
export { bestF1Threshold, chooseThreshold, thresholdOfCosts, type ChosenThreshold } from './objective/choose-threshold.ts';
export { judgeDecisions, judgeNumbers, type JudgeDecisionsRequest, type JudgeNumbersRequest } from './objective/judge-objective.ts';
export { baselinePredictions } from './baseline.ts';
export {
  IMPORTANCE_PREDICTION_LIMIT,
  IMPORTANCE_REPEATS_DEFAULT,
  IMPORTANCE_REPEATS_LIMIT,
  IMPORTANCE_ROW_LIMIT,
  permutationImportance,
  type ImportanceRequest,
} from './permutation-importance.ts';
export { checkGates, decideGates, defaultGates, hashGates, type GateFacts } from './gates.ts';
export { LEAK_ROW_LIMIT, findLeaks, type LeakRequest } from './leaks/find-leaks.ts';
export { findCopies } from './leaks/copies.ts';
export { findSplitLeaks, type SplitLeakRequest } from './leaks/find-split-leaks.ts';
export type { LeakInput } from './leaks/contract.ts';
export { buildReport, type ReportParts } from './report.ts';
export {
  FAIRNESS_ATTRIBUTE_LIMIT,
  FAIRNESS_GROUP_LIMIT,
  FairnessGate,
  FairnessMeasure,
  FairnessSection,
  type Mitigation,
  PARITY_RATIO_MIN,
  SMALL_GROUP_ROWS,
} from './fairness/contract.ts';
export { assessFairness, type FairnessRequest } from './fairness/assess-fairness.ts';
export { attributeOf, attributesOf, type Attribute, intersect, type SensitiveField } from './fairness/attributes.ts';
export { reweighingMitigation, reweighingWeights } from './fairness/reweighing.ts';
export { appliedMitigation, chooseThresholds, largeGroups, type ThresholdCriterion } from './fairness/thresholds.ts';
export {
  LabelNoise,
  ROBUSTNESS_ENTRY_LIMIT,
  ROBUSTNESS_TOLERANCES,
  RobustnessGate,
  RobustnessSection,
  RobustnessTest,
} from './robustness/contract.ts';
export { assessRobustness, ROBUSTNESS_ROW_LIMIT, withLabelNoise, type RobustnessRequest } from './robustness/assess-robustness.ts';
export { measureLabelNoise, type LabelNoiseRequest } from './robustness/label-noise.ts';
export { SLICE_LIMIT, SliceCondition, SlicesSection } from './slices/contract.ts';
export { findSlices, type SlicesRequest } from './slices/find-slices.ts';
export {
  DEPENDENCE_ROW_LIMIT,
  EXPLANATION_ROW_LIMIT,
  explainModel,
  type ContributionsByField,
  type ExplainModelRequest,
} from './explanations/explain-model.ts';
export { type ForecastAssessment, type ForecastFacts, type JudgedForecast, assessForecast } from './forecast/assess-forecast.ts';
export { renderHtml } from './page/render-html.ts';
export { renderPageMarkdown } from './page/render-page-markdown.ts';
export { reportPage, type CandidateFacts, type PageFacts, type ReferenceField } from './page/report-page.ts';
export type { PageDocument, PageSection } from './page/document.ts';
export { showInterval } from './page/document.ts';
export { datasetCard, modelCard, type DatasetFacts, type ModelCardFacts } from './page/cards.ts';
