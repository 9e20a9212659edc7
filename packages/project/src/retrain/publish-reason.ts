import { EvaluationReport } from '@slipway/evaluation/contract';
import { getJson } from '../json-object.ts';
import type { LaunchDeps } from '../launch-deps.ts';
import { ReportMeta } from '../launch-state.ts';
import type { RetrainingOrigin } from './contract.ts';

const short = (value: number | null) => (value === null ? '?' : String(Number(value.toPrecision(3))));

/** Why a retrained revision came, in one sentence with its numbers: the trigger, and both versions on the held-back rows. */
export async function publishReason(
  deps: Pick<LaunchDeps, 'catalog' | 'objects'>,
  project: string,
  retraining: RetrainingOrigin,
  report: string,
): Promise<string> {
  const meta = ReportMeta.parse((await deps.catalog.get(project, report)).meta);
  const { comparison } = await getJson(deps.objects, project, meta.report, EvaluationReport);
  const found = comparison?.metrics.find((each) => each.metric === comparison.primary);
  if (!comparison || !found) return `retrained: ${retraining.reason}`;
  const { value, low, high } = found.improvement;
  const against = `${found.metric} ${short(found.candidate)} against ${short(found.champion)} of revision ${comparison.champion.revision}`;
  return `retrained: ${retraining.reason}; ${against} on ${comparison.rows} held-back calls (${short(value)}, ${short(low)} to ${short(high)})`;
}
