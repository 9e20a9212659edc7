/** Drift thresholds of the population stability index, as banks have used them since the 1990s (Siddiqi 2006). */
export const PSI_WARN = 0.1;
export const PSI_DRIFT = 0.25;
/**
 * Thresholds of the second statistics. A normal distribution moved by d deviations has a PSI of d squared and a
 * Wasserstein distance of d, so that one movement reaches both thresholds at once; likewise with Jensen-Shannon.
 */
export const WASSERSTEIN_WARN = 0.32;
export const WASSERSTEIN_DRIFT = 0.5;
export const JS_DISTANCE_WARN = 0.134;
export const JS_DISTANCE_DRIFT = 0.21;
/** Difference of the shares of missing values, in either direction. */
export const MISSING_WARN = 0.05;
export const MISSING_DRIFT = 0.2;
/** Calls below which a field gets no verdict. */
export const CURRENT_COUNT_MIN = 200;
/** A difference also has to be this improbable for a sample of the reference itself, over all fields together. */
export const DRIFT_SIGNIFICANCE = 0.001;
/** Share of values the reference never had that is worth a warning. */
export const NEW_CATEGORY_WARN_RATIO = 0.01;
/** The data as a whole has drifted when this share of the input fields has. */
export const DATASET_DRIFT_RATIO = 0.3;
/** Points at which the quantiles of two sketches are compared. */
export const QUANTILE_GRID_COUNT = 64;
/** Pairs that quality is computed from: the newest ones. */
export const QUALITY_PAIRS_LIMIT = 100_000;
/** Windows that quality is shown by. */
export const QUALITY_WINDOWS_COUNT = 12;
/** Rows of calls that the multivariate check and the estimate of quality look at. */
export const SAMPLE_ROWS_LIMIT = 5_000;
/** Fewer recorded calls are not read: neither of the two has a verdict below it. */
export const SAMPLE_ROWS_MIN = 100;
/** Rows of each side that the domain classifier learns from. */
export const DOMAIN_ROWS_LIMIT = 2_000;
export const DOMAIN_ROWS_MIN = 200;
/** How well a classifier tells now from then: 0.5 is not at all. */
export const DOMAIN_AUC_WARN = 0.6;
export const DOMAIN_AUC_DRIFT = 0.7;
/** Calls of a group below which nothing is said about it. */
export const GROUP_COUNT_MIN = 100;
/** Groups that one column may have; the rest are counted as `other`. */
export const GROUPS_LIMIT = 50;
/** Columns of groups that one monitor may watch. */
export const GROUP_COLUMNS_LIMIT = 10;
/** The four-fifths rule: selection of the least selected group over that of the most selected one. */
export const SELECTION_RATIO_MIN = 0.8;
/** Share of calls that may break an expectation of the contract without a word, and from which it is an alert. */
export const EXPECTATION_WARN_RATIO = 0.001;
export const EXPECTATION_ALERT_RATIO = 0.05;
/** Label windows and estimates: outcomes below which nothing is judged. */
export const OUTCOME_COUNT_MIN = 100;
/** Significance of a change of the error found by ADWIN. */
export const ADWIN_DELTA = 0.002;
/** Bad calls in the longer window below which an objective stays quiet. */
export const BURN_BAD_CALLS_MIN = 5;
export const OBJECTIVES_LIMIT = 20;
/** Failed calls that are read to tell what they failed of: the latest. */
export const FAILED_CALLS_READ_LIMIT = 200;
/** Rounds of the bands of estimated quality. */
export const ESTIMATE_ROUNDS = 200;
/** Classes up to which quality without labels is estimated. */
export const ESTIMATE_CLASSES_LIMIT = 20;
/** Default window. */
export const WINDOW_DEFAULT = '24h';
/** Longest window. */
export const WINDOW_LIMIT_MS = 3 * 366 * 86_400_000;
/** Checks in which a finding must be absent before its alert resolves by itself. */
export const CLEAR_CHECKS_COUNT = 2;
/** Alerts that one check may raise; the worst first. */
export const ALERTS_PER_CHECK_LIMIT = 50;
/** Releases that one round of checks looks at. */
export const RELEASES_PER_ROUND_LIMIT = 200;
export const CHANNELS_LIMIT = 20;
/** Attempts of one delivery; the last is about a day after the first. */
export const DELIVERY_ATTEMPTS_LIMIT = 10;
export const DELIVERY_TIMEOUT_MS = 10_000;
/** Deliveries that one round sends. */
export const DELIVERIES_PER_ROUND_LIMIT = 50;
/** How long a delivery belongs to the process that took it. */
export const DELIVERY_LEASE_MS = 60_000;
/** Channels of all projects that a start looks at to seal what is not sealed with the current key; the next start takes further ones. */
export const SEALED_PER_START_LIMIT = 10_000;
