import {
  type DecisionRule,
  type EvaluationReport,
  type ModelPredictions,
  type ObjectiveResult,
  type Truth,
  compareModels,
  judgeDecisions,
  judgeNumbers,
} from '@slipway/evaluation';
import type { WorkflowContext } from '@slipway/kernel';
import type { ModelMetadata } from '@slipway/models';
import { f1 } from '@slipway/statistics';
import type { LaunchDefinition } from '../contract.ts';
import type { LaunchDeps } from '../launch-deps.ts';
import type { DatasetStep, PlanStep } from '../launch-state.ts';
import type { PreparedData } from '../prepare-data.ts';
import { type Champion, runChampion } from './champion.ts';
import { judgeRules } from './rules-baseline.ts';

export interface WorthRequest {
  readonly definition: LaunchDefinition;
  readonly plan: PlanStep;
  readonly datasets: DatasetStep;
  /** The version that is judged, what it said about the test rows, and where it says "positive". */
  readonly version: string;
  readonly prepared: PreparedData;
  readonly predictions: ModelPredictions;
  readonly threshold: number | undefined;
  readonly decision: DecisionRule | null;
  readonly metadata: ModelMetadata;
  /** A version that is known to have learnt from none of the test rows. */
  readonly unseenBy?: string | undefined;
}

export interface Worth {
  readonly decision: DecisionRule | null;
  readonly comparison: EvaluationReport['comparison'];
  readonly objective: ObjectiveResult | null;
  readonly rules: EvaluationReport['rules'];
  readonly notes: readonly string[];
}

/** What the new version is worth: against the live one and the baseline's rules on the same rows, and in the unit of the business objective. */
export async function worthOf(deps: LaunchDeps, context: WorkflowContext, request: WorthRequest): Promise<Worth> {
  const { definition, prepared, predictions, threshold } = request;
  await context.progress({ phase: 'comparison', message: 'comparing with the live version' });
  const { champion, note } = await runChampion(deps, context, { ...request, frame: prepared.test.frame });
  const seed = definition.split.seed;
  const { signal } = context;
  const comparison =
    champion &&
    (await compareModels({
      task: prepared.task,
      classes: prepared.classes,
      positive: prepared.positive,
      truth: truthOf(prepared),
      predictions,
      threshold,
      loss: definition.loss,
      queries: prepared.test.queries,
      champion,
      identity: champion.identity,
      overlap: champion.overlap,
      seed,
      signal,
    }));
  const rules = await judgeRules(context, request);
  const objective = await objectiveOf(request, { champion, rules: rules.predictions }, { seed, signal });
  return {
    decision: request.decision,
    comparison,
    objective,
    rules: rules.section,
    notes: [...(note === null ? [] : [note]), ...adviceNotes(request)],
  };
}

/** What following the advice would have done on the test rows, which it was not chosen by. */
function adviceNotes({ decision, predictions, prepared }: WorthRequest): string[] {
  const advice = decision?.advice;
  if (!advice || !('probabilities' in predictions)) return [];
  const said = positives(predictions.probabilities);
  const at = (threshold: number) =>
    f1(
      said.map((probability) => (probability >= threshold ? 1 : 0)),
      prepared.test.target,
    );
  const show = (value: number) => String(Number(value.toPrecision(4)));
  return [
    `From a probability of ${show(advice.threshold)} on, the best for F1 on training rows the fit had not seen, F1 on the test rows is ${show(at(advice.threshold))}; from 0.5 on it is ${show(at(0.5))}.`,
  ];
}

function truthOf({ classes, test }: PreparedData): Truth {
  return classes === null ? test.target : Int32Array.from(test.target);
}

async function objectiveOf(
  { definition, prepared, predictions, threshold = 0.5 }: WorthRequest,
  { champion, rules }: { readonly champion: Champion | null; readonly rules: ModelPredictions | null },
  how: { readonly seed: number; readonly signal: AbortSignal },
): Promise<ObjectiveResult | null> {
  const { objective } = definition;
  if (!objective) return null;
  if ('probabilities' in predictions && objective.costs) {
    const theirs = champion && 'probabilities' in champion.predictions ? positives(champion.predictions.probabilities) : undefined;
    const cut = champion?.threshold ?? 0.5;
    return judgeDecisions({
      ...how,
      objective,
      probabilities: positives(predictions.probabilities),
      labels: Uint8Array.from(prepared.test.target),
      threshold,
      ...(theirs ? { champion: Uint8Array.from(theirs, (probability) => (probability >= cut ? 1 : 0)) } : {}),
      ...(rules && 'probabilities' in rules
        ? { rules: Uint8Array.from(positives(rules.probabilities), (probability) => (probability > 0.5 ? 1 : 0)) }
        : {}),
    });
  }
  if (!('values' in predictions) || !objective.costPerUnitError) return null;
  const theirs = champion && 'values' in champion.predictions ? Float64Array.from(champion.predictions.values) : undefined;
  return judgeNumbers({
    ...how,
    objective,
    predicted: Float64Array.from(predictions.values),
    truth: prepared.test.target,
    trainTruth: prepared.train.target,
    ...(theirs ? { champion: theirs } : {}),
    ...(rules && 'values' in rules ? { rules: Float64Array.from(rules.values) } : {}),
  });
}

/** Of two classes the positive one is the last. */
function positives(probabilities: Float32Array | Float64Array): Float64Array {
  return Float64Array.from({ length: probabilities.length / 2 }, (_, row) => probabilities[2 * row + 1] as number);
}
