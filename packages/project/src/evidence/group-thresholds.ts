import { type Attribute, type ThresholdCriterion, chooseThresholds, largeGroups } from '@slipway/evaluation';
import { type WorkflowContext, takeRows } from '@slipway/kernel';
import type { TrainedModel } from '@slipway/learning';
import type { GroupThreshold } from '@slipway/models';
import type { LaunchDefinition } from '../contract.ts';
import { LaunchInvalidError } from '../errors.ts';
import type { LaunchDeps } from '../launch-deps.ts';
import type { PlanStep } from '../launch-state.ts';
import { trainingWishes } from '../learning-definition.ts';
import { type PreparedData, trainingContract } from '../prepare-data.ts';
import { sensitiveAttribute } from './conduct.ts';
import { decideByGroup } from './decide-by-group.ts';
import { outOfFold } from './out-of-fold.ts';

/** Training rows that thresholds are chosen on, each predicted by a model that was taught without it. */
const THRESHOLD_ROWS = 20_000;
/** Rare values stand together in this group, which callers cannot name: it keeps the common threshold. */
const OTHER_VALUE = '(other)';

interface ThresholdRequest {
  readonly definition: LaunchDefinition;
  readonly plan: PlanStep;
  readonly prepared: PreparedData;
  readonly trained: TrainedModel;
  /** The common threshold. */
  readonly threshold: number | undefined;
}

/**
 * Thresholds for the groups of the sensitive columns when the definition asks for them: chosen on training rows out of
 * fold, never on the test. Undefined when it does not ask. @throws {LaunchInvalidError} without two groups that are large enough.
 */
export async function groupThresholdsOf(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: ThresholdRequest,
): Promise<GroupThreshold[] | undefined> {
  const { definition, plan, prepared, trained, threshold = 0.5 } = request;
  if (!definition.mitigate?.startsWith('thresholds') || definition.sensitive.length === 0 || prepared.task !== 'binary') return undefined;
  await context.progress({ phase: 'threshold', message: `choosing thresholds by ${definition.sensitive.join(', ')}` });
  const { rows, outputs, width } = await outOfFold({
    rows: prepared.train,
    contract: trainingContract(prepared.contract, definition.target, plan.leftOut),
    trained,
    seed: plan.seed,
    group: definition.group,
    extra: trainingWishes(definition),
    threads: deps.trainingThreads,
    signal: context.signal,
    rowLimit: THRESHOLD_ROWS,
  });
  const said = Float64Array.from({ length: rows.length }, (_, at) => outputs[at * width + width - 1] as number);
  const truth = Float64Array.from(rows, (row) => prepared.train.target[row] as number);
  const attribute = sensitiveAttribute(prepared, definition, takeRows(prepared.train.frame, rows));
  return thresholdsBy(attribute, { said, truth, threshold }, criterionOf(definition));
}

function criterionOf({ mitigate }: LaunchDefinition): ThresholdCriterion {
  return mitigate === 'thresholds:equal_opportunity' ? 'equal_opportunity' : 'demographic_parity';
}

function thresholdsBy(
  attribute: Attribute,
  rows: { said: Float64Array; truth: Float64Array; threshold: number },
  criterion: ThresholdCriterion,
): GroupThreshold[] {
  const isNamed = (group: number) => attribute.groups[group]?.conditions.every((condition) => condition.value !== OTHER_VALUE) ?? false;
  const large = largeGroups(attribute).filter(isNamed);
  if (large.length < 2) {
    throw new LaunchInvalidError('Thresholds by group need two groups with enough training rows.', {
      details: { field: 'mitigate', groups: attribute.groups.length },
      help: 'Name sensitive columns with two groups or more, or leave out --mitigate.',
    });
  }
  const decisions = decideByGroup([], { said: rows.said, threshold: rows.threshold, read: () => undefined });
  const chosen = chooseThresholds(attribute, large, { ...rows, decisions }, criterion, () => true);
  return large.flatMap((group) => {
    const found = attribute.groups[group];
    const own = chosen[group];
    return found && own !== undefined ? [{ label: found.label, conditions: [...found.conditions], threshold: own }] : [];
  });
}
