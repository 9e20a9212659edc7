import { primaryMetric } from '@slipway/evaluation';
import { NotFoundError } from '@slipway/kernel';
import type { MonitorOptions, MonitorReport } from '@slipway/monitoring';
import { type Rollouts, liveRevision } from '@slipway/releases';
import type { Telemetry } from '@slipway/telemetry';
import type { Workflows } from '@slipway/workflows';
import { type LaunchDefinition, LaunchRequest, LaunchResult } from '../contract.ts';
import { NotRetrainableError } from '../errors.ts';
import type { LaunchDeps } from '../launch-deps.ts';
import { LAUNCH_WORKFLOW } from '../launch-workflow.ts';

/** What retraining needs beside what a launch does. */
export interface RetrainDeps extends Omit<LaunchDeps, 'rollouts'> {
  readonly rollouts: Pick<Rollouts, 'publish' | 'list'>;
  readonly telemetry: Pick<Telemetry, 'labelledRows' | 'labelledSpan'>;
  readonly workflows: Pick<Workflows, 'start' | 'get' | 'wait'>;
  /** A monitor's report; see `Monitoring.report`. */
  readonly monitor: (project: string, release: string, options: MonitorOptions) => Promise<MonitorReport>;
}

/** Where the live version came from: what would be trained again, and what it has seen. */
export interface Origin {
  readonly champion: { readonly version: string; readonly revision: number };
  /** The launch by hand whose definition is trained, and the dataset it made. */
  readonly launch: string;
  readonly definition: LaunchDefinition;
  readonly dataset: string;
  readonly task: string;
  /** Event time up to which the live version learnt from recorded calls; 0 when from none. */
  readonly trainedToMs: number;
  /** What it had on its held-back rows, by metric. */
  readonly proven: LaunchResult['metrics'];
  /** … the one that gates go by, and how many rows these were. */
  readonly judged: { readonly metric: LaunchResult['metrics'][string] | undefined; readonly rows: number };
}

/** @throws {NotFoundError} without such a release; {@link NotRetrainableError} when no launch of a table made the live version. */
export async function findOrigin(deps: RetrainDeps, project: string, release: string): Promise<Origin> {
  const detail = await deps.releases.get(project, release);
  const number = liveRevision(detail.traffic);
  const revision = detail.revisions.find((each) => each.number === number);
  const made = revision && (await deps.catalog.get(project, revision.version)).run;
  if (!revision || !made) throw notRetrainable(release);
  const own = await readLaunch(deps, project, made);
  if (!own) throw notRetrainable(release);
  const launch = own.request.retraining?.launch ?? made;
  const first = launch === made ? own : await readLaunch(deps, project, launch);
  if (!first) throw notRetrainable(release);
  const { definition } = first.request;
  if (definition.forecast || definition.unsupervised || own.result.task === 'ranking') throw notRetrainable(release);
  return {
    champion: { version: revision.version, revision: revision.number },
    launch,
    definition,
    dataset: first.result.dataset,
    task: own.result.task,
    trainedToMs: own.request.retraining?.trainedToMs ?? 0,
    proven: own.result.metrics,
    judged: { metric: own.result.metrics[primaryMetric(own.result.task, definition.loss)], rows: own.result.rows.test },
  };
}

/** A finished launch: what was asked and what came of it; undefined when the run is none. */
export async function readLaunch(
  deps: RetrainDeps,
  project: string,
  id: string,
): Promise<{ readonly request: LaunchRequest; readonly result: LaunchResult } | undefined> {
  try {
    const run = await deps.workflows.get(project, id);
    if (run.workflow !== LAUNCH_WORKFLOW || run.status !== 'succeeded') return undefined;
    return { request: LaunchRequest.parse(run.input), result: LaunchResult.parse(run.output) };
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

function notRetrainable(release: string): NotRetrainableError {
  return new NotRetrainableError(
    `Release "${release}" cannot be trained again: its live version was not made by the launch of a table with a target.`,
    {
      details: { release },
      help: 'Retraining works for classes and numbers launched from a table: slipway launch FILE --target COLUMN.',
    },
  );
}
