import type { EvaluationReport } from '@slipway/evaluation/contract';
import { EvaluationReport as ReportShape } from '@slipway/evaluation/contract';
import { type Frame, Name, type WorkflowContext, type WorkflowDefinition, defineWorkflow } from '@slipway/kernel';
import { hashJson } from '@slipway/kernel/hash';
import { ModelMetadata, openModel } from '@slipway/models';
import { childRunId } from '@slipway/workflows';
import { liveRevision } from '@slipway/releases';
import { z } from 'zod';
import { LEAN_NOTE, WHOLE_EVIDENCE, gatherEvidence } from '../evidence/gather-evidence.ts';
import { getJson } from '../json-object.ts';
import { LaunchedModelMeta, ReportMeta } from '../launch-state.ts';
import { withLossOfCosts } from '../loss-of-costs.ts';
import { predictionsOf } from '../predictions-of.ts';
import { prepareData } from '../prepare-data.ts';
import { reportOnce } from '../report-once.ts';
import { type RetrainDeps, readLaunch } from './origin.ts';
import { asJson } from './retrain-store.ts';

export const EVIDENCE_WORKFLOW = 'project.evidence';
/** One at a time: it is for readers, and must not compete with launches. */
export const EVIDENCE_QUEUE = { name: 'evidence', concurrency: 1 } as const;

const EvidenceInput = z.strictObject({ release: Name, launch: z.string(), version: z.string(), report: z.string() });
type EvidenceInput = z.infer<typeof EvidenceInput>;
const EvidenceResult = z.object({ report: z.string().nullable(), skipped: z.string().nullable() });

/**
 * Looks into what the verdict on a retrained version did not need: importances, explanations, slices, fairness, robustness.
 * The result is a second report of the version, with comparison and gates as they were decided. A version that no longer
 * answers is left as it is.
 */
export function evidenceWorkflow(deps: RetrainDeps): WorkflowDefinition {
  return defineWorkflow({
    name: EVIDENCE_WORKFLOW,
    version: 1,
    input: EvidenceInput,
    queue: EVIDENCE_QUEUE.name,
    run: async (context, input) =>
      asJson(EvidenceResult.parse(await context.step('evidence', async () => asJson(await completeReport(deps, context, input))))),
  });
}

/** Starts it below the run of a retraining; a repeated step starts it once. */
export async function startEvidence(deps: RetrainDeps, context: WorkflowContext, input: EvidenceInput): Promise<void> {
  const { project, principal, run } = context;
  const start = { project, principal, workflow: EVIDENCE_WORKFLOW, input: asJson(input), parent: run };
  const title = `the whole evidence of ${input.version}`;
  await deps.records.transaction(async (tx) => {
    await deps.workflows.start(tx, { ...start, title, runId: childRunId(run, 'evidence') });
  });
}

async function completeReport(deps: RetrainDeps, context: WorkflowContext, input: EvidenceInput): Promise<z.infer<typeof EvidenceResult>> {
  const { project } = context;
  const { release, version, report } = input;
  const detail = await deps.releases.get(project, release);
  const live = detail.revisions.find((each) => each.number === liveRevision(detail.traffic));
  if (live?.version !== version) return { report: null, skipped: `${version} no longer answers` };
  const found = await deps.catalog.get(project, report);
  const meta = ReportMeta.parse(found.meta);
  const { edges } = await deps.catalog.lineage(project, report, 'up', { depthLimit: 1 });
  const testData = edges.find((edge) => edge.child === report && edge.role === 'test-data')?.parent;
  const launch = await readLaunch(deps, project, input.launch);
  if (!launch || testData === undefined) return { report: null, skipped: 'its launch or the rows it was judged by are gone' };
  const place = {
    name: found.name,
    recipe: hashJson({ kind: 'slipway.report/1', of: report, evidence: 'whole' }),
    version,
    gatesHash: meta.gatesHash,
    testData,
  };
  const lean = await getJson(deps.objects, project, meta.report, ReportShape);
  const made = await reportOnce(deps, context, place, () => withWholeEvidence(deps, context, { lean, launch, version, testData }));
  return { report: made.report, skipped: null };
}

interface Whole {
  readonly lean: EvaluationReport;
  readonly launch: NonNullable<Awaited<ReturnType<typeof readLaunch>>>;
  readonly version: string;
  readonly testData: string;
}

async function withWholeEvidence(
  deps: RetrainDeps,
  context: WorkflowContext,
  { lean, launch, version, testData }: Whole,
): Promise<EvaluationReport> {
  const { project } = context;
  const definition = withLossOfCosts(launch.request.definition);
  const prepared = await prepareData(deps.data, project, { dataset: launch.result.dataset, testDataset: testData }, definition);
  const meta = LaunchedModelMeta.parse((await deps.catalog.get(project, version)).meta);
  const metadata = await getJson(deps.objects, project, meta.metadata, ModelMetadata);
  const asked = [...definition.exclude, definition.group, definition.query].filter((name) => name !== undefined);
  const dropped = launch.result.leakage.filter((leak) => leak.action === 'dropped').map((leak) => leak.column);
  const model = await openModel({ path: await deps.objects.localPath(project, meta.onnx), metadata });
  try {
    const predict = (frame: Frame) => predictionsOf(model, frame);
    const predictions = await predict(prepared.test.frame);
    const evidence = await gatherEvidence(
      deps,
      {
        context,
        clock: deps.clock,
        definition,
        prepared,
        model,
        meta,
        metadata,
        leftOut: [...asked, ...dropped],
        predictions,
        predict,
        threshold: metadata.decision?.threshold,
      },
      WHOLE_EVIDENCE,
    );
    // What a gate decided by stays what it was decided by.
    const { fairness = evidence.fairness, robustness = evidence.robustness } = onlyPresent(lean);
    return ReportShape.parse({ ...lean, ...evidence, fairness, robustness, notes: lean.notes.filter((note) => note !== LEAN_NOTE) });
  } finally {
    await model.close();
  }
}

function onlyPresent({ fairness, robustness }: EvaluationReport): Partial<Pick<EvaluationReport, 'fairness' | 'robustness'>> {
  return { ...(fairness ? { fairness } : {}), ...(robustness ? { robustness } : {}) };
}
