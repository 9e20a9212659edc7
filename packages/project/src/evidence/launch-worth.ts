import type { EvaluationReport } from '@slipway/evaluation/contract';
import type { LaunchResult } from '../contract.ts';

/** What a launch says about decisions, their worth and the version that was live before. */
export function launchWorth(report: EvaluationReport): Pick<LaunchResult, 'decision' | 'objective' | 'comparison'> {
  const { decision, objective, comparison } = report;
  const primary = comparison?.metrics.find((each) => each.metric === comparison.primary);
  return {
    decision,
    objective: objective && {
      kpi: objective.kpi,
      per: objective.per,
      model: objective.model,
      alternatives: objective.alternatives,
      constraint: objective.constraint,
      selectionRate: objective.selectionRate,
      verdict: objective.verdict,
      notes: objective.notes,
    },
    comparison: comparison && {
      champion: comparison.champion,
      overlap: comparison.overlap,
      metric: comparison.primary,
      improvement: primary?.improvement ?? { value: null, low: null, high: null },
      deLongPValue: comparison.deLong?.pValue ?? null,
      mcNemarPValue: comparison.mcNemar?.pValue ?? null,
      changed: comparison.changed,
      verdict: comparison.verdict,
    },
  };
}
