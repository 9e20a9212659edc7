import { type EvaluationReport, type GateDefinition, type Importances, permutationImportance } from '@slipway/evaluation';
import type { ModelMetadata } from '@slipway/models';
import type { LaunchDeps } from '../launch-deps.ts';
import { type ConductRequest, gatherConduct } from './conduct.ts';
import { explanationsOf } from './explanations.ts';

/** The sections of a report that take most of its time, and that only some gates decide by. */
export interface EvidenceParts {
  readonly importances: boolean;
  readonly slices: boolean;
  readonly fairness: boolean;
  readonly robustness: boolean;
  readonly explanations: boolean;
}

/** What a launch looks into: everything. */
export const WHOLE_EVIDENCE: EvidenceParts = { importances: true, slices: true, fairness: true, robustness: true, explanations: true };

/** Said in a report that holds {@link evidenceForGates} only. */
export const LEAN_NOTE =
  'Made by a retraining: of slices, fairness, robustness, importances and explanations it holds what a gate decides by; the rest follows once the version is live.';

/**
 * The smaller evidence of a retraining: the comparison with the live version, metrics, leaks, parity and latency are always
 * there; of the long sections only those that a gate decides by, and what they are computed from.
 */
export function evidenceForGates(gates: readonly GateDefinition[]): EvidenceParts {
  const robustness = gates.some((gate) => gate.kind === 'robustness');
  const fairness = gates.some((gate) => gate.kind === 'fairness');
  // Columns are spoilt in the order of their importance.
  return { importances: robustness, slices: false, fairness, robustness, explanations: false };
}

export interface EvidenceRequest extends Omit<ConductRequest, 'importances'> {
  readonly metadata: ModelMetadata;
}

export type Evidence = Pick<EvaluationReport, keyof EvidenceParts>;

/** Looks into the parts that are asked for; the others are null. */
export async function gatherEvidence(deps: Pick<LaunchDeps, 'objects'>, request: EvidenceRequest, parts: EvidenceParts): Promise<Evidence> {
  const { context, definition, prepared, meta, metadata, predict } = request;
  const importances = parts.importances ? await importancesOf(request) : null;
  const conduct = await gatherConduct({ ...request, importances }, parts);
  const explanations = parts.explanations
    ? await explanationsOf(deps, context, { definition, prepared, meta, contract: metadata.contract, predict })
    : null;
  return { importances, explanations, ...conduct };
}

async function importancesOf({ context, model, prepared, definition, predict }: EvidenceRequest): Promise<Importances> {
  await context.progress({ phase: 'importance', ratio: 0 });
  const { task, classes, positive, test } = prepared;
  let lastRatio = 0;
  return permutationImportance({
    task,
    classes,
    positive,
    predict,
    frame: test.frame,
    truth: classes === null ? test.target : Int32Array.from(test.target),
    fields: model.metadata.contract.fields.map((field) => field.name),
    loss: definition.loss,
    queries: test.queries,
    seed: definition.split.seed,
    signal: context.signal,
    onProgress: (ratio) => {
      if (ratio - lastRatio < 0.1) return;
      lastRatio = ratio;
      context.progress({ phase: 'importance', ratio }).catch(() => {});
    },
  });
}
