import type { EvaluationReport } from '@slipway/evaluation/contract';
import type { LaunchResult } from '../contract.ts';

/** Slices named with a result; the report has more. */
const SLICES_SHOWN = 5;
const MEASURES_SHOWN: ReadonlySet<string> = new Set([
  'demographic_parity_difference',
  'demographic_parity_ratio',
  'equalized_odds_difference',
  'equal_opportunity_difference',
  'accuracy_difference',
  'mean_prediction_ratio',
  'mean_error_difference',
  'mae_ratio',
]);

/** Slices, fairness and robustness of a report, as far as a launch shows them. */
export function launchConduct(report: EvaluationReport): Pick<LaunchResult, 'slices' | 'fairness' | 'robustness'> {
  return { slices: slicesOf(report), fairness: fairnessOf(report), robustness: robustnessOf(report) };
}

function slicesOf({ slices }: EvaluationReport): LaunchResult['slices'] {
  return (slices?.worst ?? []).slice(0, SLICES_SHOWN).map(({ label, rows, metric, restMetric, lift }) => ({
    label,
    rows,
    metric: slices?.metric ?? '',
    ...metric,
    rest: restMetric,
    lift,
  }));
}

function fairnessOf({ fairness, task }: EvaluationReport): LaunchResult['fairness'] {
  if (!fairness) return null;
  return {
    disparities: fairness.attributes.flatMap(({ columns, disparities }) =>
      disparities
        .filter((each) => MEASURES_SHOWN.has(each.measure) && (task === 'regression' || !each.measure.startsWith('mean_')))
        .map((each) => ({ columns, ...each })),
    ),
    mitigations: fairness.mitigations.map(({ method, criterion, columns, applied, before, after, price }) => {
      const measure = criterion === 'equal_opportunity' ? 'equal_opportunity_difference' : 'demographic_parity_difference';
      return {
        method,
        criterion,
        columns,
        applied,
        before: before.disparities[measure] ?? null,
        after: after.disparities[measure] ?? null,
        price,
      };
    }),
    warnings: fairness.warnings,
  };
}

function robustnessOf({ robustness }: EvaluationReport): LaunchResult['robustness'] {
  if (!robustness) return null;
  return {
    tests: robustness.summary.map(({ test, field, worst, tolerance, passed }) => ({ test, field, worst, tolerance, passed })),
    warnings: robustness.warnings,
  };
}
