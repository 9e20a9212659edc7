import { EvaluationReport, type GateDefinition, type GateResult, type Importances } from './contract.ts';
import type { Evaluation } from './evaluate.ts';
import type { LeakInput } from './leaks/contract.ts';
import { hashGates } from './gates.ts';

export interface ReportParts {
  readonly evaluation: Evaluation;
  readonly target: string;
  readonly classes: readonly string[] | null;
  readonly positive: string | null;
  readonly gates: readonly GateDefinition[];
  readonly gateResults: readonly GateResult[];
  readonly importances?: Importances | null;
  readonly explanations?: EvaluationReport['explanations'];
  readonly rules?: EvaluationReport['rules'];
  readonly slices?: EvaluationReport['slices'];
  readonly fairness?: EvaluationReport['fairness'];
  readonly robustness?: EvaluationReport['robustness'];
  readonly decision?: EvaluationReport['decision'];
  readonly objective?: EvaluationReport['objective'];
  readonly comparison?: EvaluationReport['comparison'];
  readonly leakage?: readonly LeakInput[];
  readonly acceptedLeaks?: readonly string[];
  readonly parity?: { readonly maxError: number } | null;
  readonly latency?: { readonly p50Ms: number; readonly p95Ms: number } | null;
  readonly timings?: Readonly<Record<string, number>>;
  readonly notes?: readonly string[];
}

/** Puts the evidence of one evaluation together and checks it against its own schema. */
export function buildReport(parts: ReportParts): EvaluationReport {
  const { evaluation } = parts;
  return EvaluationReport.parse({
    format: 'slipway.report/1',
    task: evaluation.task,
    target: parts.target,
    classes: parts.classes && [...parts.classes],
    positive: parts.positive,
    rows: evaluation.rows,
    seed: evaluation.seed,
    resamples: evaluation.resamples,
    level: evaluation.level,
    primary: evaluation.primary,
    metrics: evaluation.metrics,
    baseline: evaluation.baseline,
    improvement: evaluation.improvement,
    confusion: evaluation.confusion,
    curves: evaluation.curves,
    calibration: evaluation.calibration,
    balance: evaluation.balance,
    deLong: evaluation.deLong,
    residuals: evaluation.residuals,
    decision: parts.decision ?? null,
    objective: parts.objective ?? null,
    comparison: parts.comparison ?? null,
    importances: parts.importances ?? null,
    explanations: parts.explanations ?? null,
    rules: parts.rules ?? null,
    slices: parts.slices ?? null,
    fairness: parts.fairness ?? null,
    robustness: parts.robustness ?? null,
    leakage: [...(parts.leakage ?? [])],
    acceptedLeaks: [...(parts.acceptedLeaks ?? [])],
    parity: parts.parity ?? null,
    latency: parts.latency ?? null,
    gatesHash: hashGates(parts.gates),
    gates: [...parts.gateResults],
    notes: [...evaluation.notes, ...(parts.notes ?? [])],
    timings: parts.timings ?? {},
  });
}
