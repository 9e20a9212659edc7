import { hashJson } from '@slipway/kernel/hash';
import { decideChampion } from './compare/gate.ts';
import type { Comparison } from './compare/contract.ts';
import {
  type GateDefinition,
  GateDefinitions,
  type GateResult,
  LATENCY_P95_MS_MAX_DEFAULT,
  type MetricValue,
  PARITY_PROBABILITY_ERROR_MAX,
  PARITY_REGRESSION_ERROR_MAX,
  type ReportTask,
  type Task,
} from './contract.ts';
import { UnknownMetricError } from './errors.ts';
import type { FairnessSection } from './fairness/contract.ts';
import { decideFairness } from './fairness/gate.ts';
import { type TrainedLoss, higherIsBetter, metricsOf, primaryMetric } from './metric-table.ts';
import type { LeakInput } from './leaks/contract.ts';
import type { ObjectiveResult } from './objective/contract.ts';
import { decideObjective } from './objective/gate.ts';
import type { RobustnessSection } from './robustness/contract.ts';
import type { RulesSection } from './rules/contract.ts';
import { decideRules } from './rules/gate.ts';
import { decideRobustness } from './robustness/gate.ts';

/** What gates decide on. A fact that was not established is null, and the gate that needs it fails. */
export interface GateFacts {
  readonly metrics: Readonly<Record<string, MetricValue | undefined>>;
  readonly improvements: Readonly<Record<string, MetricValue | undefined>>;
  readonly parity: { readonly maxError: number } | null;
  readonly leaks: readonly LeakInput[] | null;
  /** Columns whose leak a person accepted by name. */
  readonly acceptedLeaks: readonly string[];
  readonly latency: { readonly p95Ms: number } | null;
  readonly fairness?: FairnessSection | null;
  readonly robustness?: RobustnessSection | null;
  readonly objective?: ObjectiveResult | null;
  readonly rules?: RulesSection | null;
  readonly comparison?: Comparison | null;
}

/** The gates of a model whose owner named none: better than the baseline, parity, no unaccepted leak, latency. */
export function defaultGates(task: Task, loss?: TrainedLoss): GateDefinition[] {
  return [
    { kind: 'betterThanBaseline', metric: primaryMetric(task, loss) },
    { kind: 'parity', maxError: task === 'regression' || task === 'ranking' ? PARITY_REGRESSION_ERROR_MAX : PARITY_PROBABILITY_ERROR_MAX },
    { kind: 'leakage' },
    { kind: 'latency', p95MsMax: LATENCY_P95_MS_MAX_DEFAULT },
  ];
}

/** Checks that every metric belongs to the task. @throws {UnknownMetricError} {z.ZodError} */
export function checkGates(gates: readonly GateDefinition[], task: ReportTask, loss?: TrainedLoss): GateDefinition[] {
  const parsed = GateDefinitions.parse(gates);
  for (const gate of parsed) {
    if (!('metric' in gate) || (metricsOf(task, loss) as readonly string[]).includes(gate.metric)) continue;
    throw new UnknownMetricError(`A ${task} model has no metric "${gate.metric}".`, {
      details: { metric: gate.metric, task },
      help: `Use one of ${metricsOf(task, loss).join(', ')}.`,
    });
  }
  return parsed;
}

/** SHA-256 of the gates; recorded before the evaluation, it proves that they were not bent to its result. */
export function hashGates(gates: readonly GateDefinition[]): string {
  return hashJson(GateDefinitions.parse(gates));
}

/** Decides every gate on its own; a version may go live when all have passed. */
export function decideGates(gates: readonly GateDefinition[], facts: GateFacts): GateResult[] {
  return gates.map((gate) => {
    switch (gate.kind) {
      case 'metric':
        return decideMetric(gate, facts.metrics[gate.metric]);
      case 'betterThanBaseline':
        return decideImprovement(gate.metric, facts.improvements[gate.metric]);
      case 'betterThanRules':
        return decideRules(gate.metric, facts.rules ?? null);
      case 'parity':
        return decideParity(gate.maxError, facts.parity);
      case 'leakage':
        return decideLeakage(facts.leaks, facts.acceptedLeaks);
      case 'latency':
        return decideLatency(gate.p95MsMax, facts.latency);
      case 'fairness':
        return decideFairness(gate, facts.fairness ?? null);
      case 'robustness':
        return decideRobustness(gate, facts.robustness ?? null);
      case 'objective':
        return decideObjective(facts.objective ?? null);
      case 'champion':
        return decideChampion(gate, facts.comparison ?? null);
    }
  });
}

function decideMetric(gate: Extract<GateDefinition, { kind: 'metric' }>, measured: MetricValue | undefined): GateResult {
  const { metric, atLeast, atMost } = gate;
  const bounds = [atLeast === undefined ? '' : `>= ${atLeast}`, atMost === undefined ? '' : `<= ${atMost}`].filter(Boolean).join(' and ');
  const name = `${metric} ${bounds}`;
  const value = measured?.value ?? null;
  const threshold = atLeast ?? atMost ?? null;
  if (value === null)
    return failed(
      name,
      null,
      threshold,
      `${metric} is undefined on the test rows. Use test rows on which it is defined, or another metric.`,
    );
  if (atLeast !== undefined && value < atLeast) {
    return failed(name, value, atLeast, `${metric} is ${show(value)}, below ${atLeast}. ${betterModel(metric)}`);
  }
  if (atMost !== undefined && value > atMost)
    return failed(name, value, atMost, `${metric} is ${show(value)}, above ${atMost}. ${betterModel(metric)}`);
  return passed(name, value, threshold, `${metric} is ${show(value)}.`);
}

function betterModel(metric: string): string {
  const direction = higherIsBetter(metric) ? 'raise' : 'lower';
  return `More rows, better columns or more seconds may ${direction} it; or set the gate to what the use needs and launch again.`;
}

function decideImprovement(metric: string, improvement: MetricValue | undefined): GateResult {
  const name = `${metric} better than baseline`;
  const low = improvement?.low ?? null;
  if (low === null || improvement?.value === null) {
    return failed(
      name,
      low,
      0,
      `Whether ${metric} beats the baseline could not be measured: it is undefined on too many resamples. Use more test rows, with every class among them.`,
    );
  }
  const found = `The improvement of ${metric} is ${show(improvement?.value ?? 0)}, at least ${show(low)} with 95 % confidence`;
  if (low > 0) return passed(name, low, 0, `${found}.`);
  return failed(
    name,
    low,
    0,
    `${found}, which is not above 0: the columns may say nothing about the target, or there are too few rows. Add rows or columns, or check the target.`,
  );
}

function decideParity(maxError: number, parity: GateFacts['parity']): GateResult {
  if (parity === null || !Number.isFinite(parity.maxError)) {
    return failed('parity', null, maxError, 'The exported graph was not compared with the trainer. Train again; if it repeats, report it.');
  }
  if (parity.maxError <= maxError)
    return passed('parity', parity.maxError, maxError, `Graph and trainer differ by at most ${show(parity.maxError)}.`);
  const fix = 'The exported graph does not say what the trainer says. Report it, and use another trainer until it is mended.';
  return failed('parity', parity.maxError, maxError, `Graph and trainer differ by ${show(parity.maxError)}, more than ${maxError}. ${fix}`);
}

function decideLeakage(leaks: GateFacts['leaks'], accepted: readonly string[]): GateResult {
  if (leaks === null) return failed('leakage', null, 0, 'The columns were not searched for leaks. Launch again.');
  const open = leaks.filter((leak) => leak.action === 'needs-acceptance' && !accepted.includes(leak.column));
  if (open.length === 0) return passed('leakage', 0, 0, 'Nothing leaks the target unaccepted.');
  const reasons = open.map((leak) => `${leak.column}: ${leak.reason}${leak.help ? ` ${leak.help}` : ''}`).join(' ');
  const columns = open.filter((leak) => !leak.column.startsWith('@')).map((leak) => leak.column);
  const mend =
    columns.length > 0
      ? `Leave such columns out with --exclude ${columns.join(',')}, or, if they are known before the outcome, accept`
      : 'If this is as it should be, accept';
  const accept = open.map((leak) => leak.column).join(',');
  return failed('leakage', open.length, 0, `${reasons} ${mend} them with --accept-leak ${accept}.`);
}

function decideLatency(p95MsMax: number, latency: GateFacts['latency']): GateResult {
  if (latency === null || !Number.isFinite(latency.p95Ms)) {
    return failed('latency', null, p95MsMax, 'The latency of single-row predictions was not measured. Launch again.');
  }
  const found = `95 % of single-row predictions take at most ${show(latency.p95Ms)} ms`;
  if (latency.p95Ms <= p95MsMax) return passed('latency', latency.p95Ms, p95MsMax, `${found}.`);
  return failed(
    'latency',
    latency.p95Ms,
    p95MsMax,
    `${found}, more than ${p95MsMax} ms. Use a smaller model (fewer columns or trees), a quieter machine, or a higher "p95MsMax".`,
  );
}

function passed(name: string, value: number | null, threshold: number | null, message: string): GateResult {
  return { name, passed: true, value, threshold, message };
}

function failed(name: string, value: number | null, threshold: number | null, message: string): GateResult {
  return { name, passed: false, value, threshold, message };
}

function show(value: number): string {
  return String(Number(value.toPrecision(4)));
}
