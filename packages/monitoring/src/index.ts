export { monitoringCapability } from './capability.ts';
export { DRIFT_THRESHOLDS_DEFAULT, compareWithReference, type DriftInput, type DriftReport } from './compare-with-reference.ts';
export type { DriftThresholds, FieldDrift, MonitorReport, Quality, Verdict } from './contract.ts';
export { ReferenceInvalidError, WindowInvalidError } from './errors.ts';
export { monitor, type MonitorOptions, type MonitorPorts, type MonitoredRelease } from './monitor.ts';
export { measureQuality, type PredictionTask } from './quality.ts';
export { readReference } from './reference.ts';
export { readWindow, type WindowQuery } from './read-window.ts';
export { CURRENT_COUNT_MIN, PSI_DRIFT, PSI_WARN, QUALITY_PAIRS_LIMIT, WINDOW_LIMIT_MS } from './limits.ts';
