export { BINARY_METRICS, MULTICLASS_METRICS, QUANTILE_METRICS, REGRESSION_METRICS } from './metric-names.ts';
export { RangeOfValueError, ShapeError, SketchFormatError, StatisticsError } from './errors.ts';
export { createRandom, type Random, type Shuffleable } from './random.ts';
export { orderDescending, type Numbers } from './order.ts';
export {
  LOG_LOSS_EPSILON,
  accuracy,
  averagePrecision,
  brier,
  confusion,
  f1,
  logLoss,
  mcc,
  precision,
  rankScores,
  recall,
  rocAuc,
  type Confusion,
  type RankedScores,
} from './binary-metrics.ts';
export { argmaxRows, balancedAccuracy, confusionMatrix, macroF1, multiclassLogLoss } from './multiclass-metrics.ts';
export { CALIBRATION_BIN_COUNT, calibrationBinOf, calibrationError } from './calibration-error.ts';
export { GAIN_POINT_LIMIT, gainCurve, ksStatistic, liftAtK, precisionAtK, type GainPoint } from './top-metrics.ts';
export { ONE_VERSUS_REST_CELL_LIMIT, multiclassRocAuc, topKAccuracy } from './one-vs-rest.ts';
export { RANKING_METRICS, ndcgAtK, queryAveragePrecision, queryRows, rankingPlan, reciprocalRank, type Gain } from './ranking-metrics.ts';
export {
  breuschPagan,
  durbinWatson,
  jarqueBera,
  ljungBox,
  residualBins,
  type NormalityTest,
  type ResidualBin,
  type ResidualTest,
} from './residual-checks.ts';
export { deLongArea, deLongDifference, type DeLongArea, type DeLongDifference } from './delong.ts';
export { MCNEMAR_EXACT_LIMIT, mcNemar, mcNemarTest, type McNemar } from './mcnemar.ts';
export { intervalCoverage, intervalScore, mase, naiveScale, smape } from './forecast-metrics.ts';
export { MAPE_EPSILON, mae, mape, medianAbsoluteError, pinballLoss, quantileCoverage, r2, rmse } from './regression-metrics.ts';
export { Moments, mean, variance } from './moments.ts';
export {
  EXACT_VALUE_LIMIT,
  FieldSketch,
  sketchCodes,
  sketchNumbers,
  type FieldSketchJson,
  type SketchExportOptions,
  type SketchKind,
  type SketchValue,
} from './field-sketch.ts';
export { QUANTILE_SKETCH_K, RANK_ERROR_RATIO } from './sketch/quantile-sketch.ts';
export { DISTINCT_STANDARD_ERROR_RATIO } from './sketch/distinct-counter.ts';
export { RARE_COUNT_LIMIT, TOP_VALUE_LIMIT, VALUE_LENGTH_LIMIT, type TopValue } from './sketch/top-values.ts';
export { equalWidthEdges, histogram, quantile, quantileEdges } from './quantile.ts';
export { chiSquareTail, kolmogorovTail, normalCdf, normalQuantile } from './distributions.ts';
export { PSI_SHARE_MIN, chiSquareTest, jensenShannon, kolmogorovSmirnovTest, psi } from './distance.ts';
export {
  Bootstrap,
  LEVEL_DEFAULT,
  RESAMPLES_DEFAULT,
  bootstrapDifference,
  bootstrapInterval,
  bootstrapPlan,
  type BootstrapOptions,
  type Interval,
  type ResamplePlan,
} from './bootstrap.ts';
export { binaryPlan, multiclassPlan, regressionPlan } from './resample-plans.ts';
export { compareSketches, type ComparisonBin, type SketchComparison } from './compare-sketches.ts';
export {
  anytimeInterval,
  anytimeRadius,
  judgeGoal,
  judgeGuardrail,
  type AnytimeInterval,
  type Verdict,
} from './sequential/anytime-interval.ts';
export {
  EMPTY_SUMS,
  addSums,
  pairedDifference,
  smoothedVariance,
  stratifiedDifference,
  sumsOf,
  type ArmSums,
  type Difference,
  type Stratum,
} from './sequential/arm-difference.ts';
export { FORECAST_UNITS_MAX, forecastUnits, unpairedSpread, type UnitsForecast } from './sequential/forecast-units.ts';
export {
  BUCKET_GROWTH,
  BUCKET_VALUE_MIN,
  bucketOf,
  quantileInterval,
  quantileRatio,
  type BucketCounts,
  type QuantileInterval,
} from './sequential/quantile-interval.ts';
export { SAMPLE_RATIO_ALPHA, checkSampleRatio, type SampleRatio, type SplitCount } from './sequential/sample-ratio.ts';
