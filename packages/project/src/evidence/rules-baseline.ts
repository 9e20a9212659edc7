/* oxlint-disable unicorn/no-thenable -- `then` is what a rule answers, never a function */
import { type ModelPredictions, REPORT_RULE_LIMIT, type RulesSection, type Truth, compareModels } from '@slipway/evaluation';
import { type Frame, type Json, type WorkflowContext, takeRows } from '@slipway/kernel';
import { RuleError, type RuleFacts, type TrainedModel, train } from '@slipway/learning';
import type { ModelMetadata } from '@slipway/models';
import { z } from 'zod';
import type { LaunchDefinition } from '../contract.ts';
import type { PlanStep } from '../launch-state.ts';
import { type PreparedData, trainingContract } from '../prepare-data.ts';

/** Rows decided between two turns of the event loop. */
const SLICE_ROWS = 5_000;

const StoredRules = z.array(
  z.object({
    condition: z.string(),
    name: z.string().nullable(),
    then: z.union([z.string(), z.number(), z.boolean()]).nullable(),
    rows: z.int(),
    found: z.number().nullable(),
  }),
);

export interface RulesRequest {
  readonly definition: LaunchDefinition;
  readonly plan: PlanStep;
  readonly prepared: PreparedData;
  /** Of the version that is judged. */
  readonly metadata: ModelMetadata;
  readonly predictions: ModelPredictions;
  readonly threshold: number | undefined;
}

export interface JudgedRules {
  readonly section: RulesSection | null;
  /** What the rules of the baseline said about the test rows. */
  readonly predictions: ModelPredictions | null;
}

/** What a rules model's metadata keeps of its rules, for reports. */
export function rulesNotes(trained: TrainedModel): Record<string, Json> | undefined {
  if (trained.trainer !== 'rules' || !('rules' in trained)) return undefined;
  return { rules: JSON.parse(JSON.stringify(trained.rules)) as Json };
}

/** "Rules or AI?": applies the baseline's rules to the rows that the model is judged by. Of a rules model, its rules. */
export async function judgeRules(context: WorkflowContext, request: RulesRequest): Promise<JudgedRules> {
  const { definition, plan, prepared, metadata, predictions, threshold } = request;
  const { baseline } = definition;
  if (!baseline) return { section: ownRules(metadata, prepared), predictions: null };
  await context.progress({ phase: 'rules', message: 'comparing with the rules' });
  try {
    const trained = await train({
      frame: prepared.train.frame,
      contract: trainingContract(prepared.contract, definition.target, plan.leftOut),
      task: plan.task,
      target: prepared.train.target,
      classes: plan.classes,
      ...(prepared.train.queries ? { queries: prepared.train.queries } : {}),
      seed: plan.seed,
      fixed: { trainer: 'rules', params: baseline.params as Readonly<Record<string, Json>> },
      signal: context.signal,
    });
    const said = await predictInSlices(trained, prepared.test.frame, context.signal);
    const found = await compareModels({
      task: prepared.task,
      classes: prepared.classes,
      positive: prepared.positive,
      truth: truthOf(prepared),
      predictions,
      threshold,
      loss: definition.loss,
      queries: prepared.test.queries,
      champion: { predictions: said },
      identity: { version: '', release: '', revision: 0 },
      overlap: 'none',
      seed: definition.split.seed,
      signal: context.signal,
    });
    const comparison: RulesSection['comparison'] = {
      rows: found.rows,
      primary: found.primary,
      metrics: found.metrics.map(({ metric, candidate, champion, improvement }) => ({
        metric,
        model: candidate,
        rules: champion,
        improvement,
      })),
      deLongPValue: found.deLong?.pValue ?? null,
      mcNemarPValue: found.mcNemar?.pValue ?? null,
      changed: found.changed,
      verdict: found.verdict === 'better' ? 'use-model' : found.verdict === 'worse' ? 'use-rules' : found.verdict,
    };
    const facts = 'rules' in trained ? (trained.rules as readonly RuleFacts[]) : [];
    return { section: sectionOf('baseline', facts, prepared, comparison), predictions: said };
  } catch (error) {
    // Columns that turned out to be leaks may not be read by rules either; the gate then says so.
    if (!(error instanceof RuleError)) throw error;
    const notes = [`The rules were not compared: ${error.message}`];
    return { section: { role: 'baseline', rules: [], count: 0, comparison: null, notes }, predictions: null };
  }
}

function ownRules({ trainer, notes }: ModelMetadata, prepared: PreparedData): RulesSection | null {
  const stored = trainer === 'rules' ? StoredRules.safeParse(notes?.['rules']) : undefined;
  return stored?.success ? sectionOf('model', stored.data, prepared, null) : null;
}

function sectionOf(
  role: RulesSection['role'],
  facts: readonly RuleFacts[],
  { classes }: PreparedData,
  comparison: RulesSection['comparison'],
): RulesSection {
  const rules = facts.slice(0, REPORT_RULE_LIMIT + 1).map((each) => ({ ...each }));
  return { role, rules, count: Math.max(0, facts.length - 1), comparison, notes: notesOf(facts, classes !== null) };
}

const NAMED = 10;

function notesOf(facts: readonly RuleFacts[], hasClasses: boolean): string[] {
  const name = ({ name: own, condition }: RuleFacts) => own ?? condition;
  const list = (each: readonly RuleFacts[]) => each.slice(0, NAMED).map(name).join('; ') + (each.length > NAMED ? '; …' : '');
  const unmet = facts.filter((each) => each.rows === 0 && each.condition !== 'otherwise');
  const contradicted = hasClasses ? facts.filter((each) => each.rows >= 10 && each.found !== null && each.found < 0.5) : [];
  return [
    ...(unmet.length > 0 ? [`No training row is decided by: ${list(unmet)}.`] : []),
    ...(contradicted.length > 0 ? [`Less than half of the training rows have the answer of: ${list(contradicted)}.`] : []),
  ];
}

function truthOf({ classes, test }: PreparedData): Truth {
  return classes === null ? test.target : Int32Array.from(test.target);
}

async function predictInSlices(trained: TrainedModel, frame: Frame, signal: AbortSignal): Promise<ModelPredictions> {
  const width = trained.classes?.length ?? 1;
  const outputs = new Float64Array(frame.rowCount * width);
  for (let start = 0; start < frame.rowCount; start += SLICE_ROWS) {
    signal.throwIfAborted();
    const rows = Array.from({ length: Math.min(SLICE_ROWS, frame.rowCount - start) }, (_, index) => start + index);
    const said = trained.predict(takeRows(frame, rows));
    outputs.set(said.probabilities ?? said.values ?? [], start * width);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return trained.classes === null ? { values: outputs } : { probabilities: outputs };
}
