import type { EvaluationReport } from '@slipway/evaluation/contract';
import type { WorkflowContext } from '@slipway/kernel';
import { hashJson } from '@slipway/kernel/hash';
import { putJson } from './json-object.ts';
import { type LaunchDeps, secondsSince } from './launch-deps.ts';
import { type EvaluateStep, ReportMeta } from './launch-state.ts';

export interface ReportPlace {
  /** Name of the launch, which the report has too. */
  readonly name: string;
  readonly recipe: string;
  /** The version that is judged. */
  readonly version: string;
  readonly gatesHash: string;
  /** The dataset version whose rows judge it. */
  readonly testData: string;
}

/** The report that exists for its recipe, or the one that `judge` makes, stored and registered with what it was made from. */
export async function reportOnce(
  deps: LaunchDeps,
  context: WorkflowContext,
  { name, recipe, version, gatesHash, testData }: ReportPlace,
  judge: () => Promise<EvaluationReport>,
): Promise<EvaluateStep> {
  const startedMs = deps.clock.monotonicMs();
  const { project } = context;
  const before = await deps.catalog.findByRecipe(project, 'report', name, recipe);
  if (before) return { report: before.id, passed: ReportMeta.parse(before.meta).passed, seconds: secondsSince(deps.clock, startedMs) };
  const report = await judge();
  const passed = report.gates.every((gate) => gate.passed);
  const sha256 = await putJson(deps.objects, project, report);
  const registered = await deps.records.transaction((tx) =>
    deps.catalog.register(tx, {
      project,
      kind: 'report',
      name,
      recipe,
      content: hashJson({ report: sha256 }),
      run: context.run,
      principal: context.principal.id,
      meta: { report: sha256, version, gatesHash, passed },
      parents: [
        { id: version, role: 'judged' },
        { id: testData, role: 'test-data' },
      ],
    }),
  );
  return { report: registered.version.id, passed, seconds: secondsSince(deps.clock, startedMs) };
}
