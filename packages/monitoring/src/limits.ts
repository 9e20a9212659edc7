/** Drift thresholds of the population stability index, as banks have used them since the 1990s (Siddiqi 2006). */
export const PSI_WARN = 0.1;
export const PSI_DRIFT = 0.25;
/** Calls below which a field gets no verdict. */
export const CURRENT_COUNT_MIN = 200;
/** A PSI also has to be this improbable for a sample of the reference itself; many categories make a high PSI by chance. */
export const DRIFT_SIGNIFICANCE = 0.001;
/** Share of values the reference never had that is worth a warning. */
export const NEW_CATEGORY_WARN_RATIO = 0.01;
/** Pairs that quality is computed from: the newest ones. */
export const QUALITY_PAIRS_LIMIT = 100_000;
/** Default window. */
export const WINDOW_DEFAULT = '24h';
/** Longest window. */
export const WINDOW_LIMIT_MS = 3 * 366 * 86_400_000;
