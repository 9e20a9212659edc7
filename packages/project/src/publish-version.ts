import type { WorkflowContext } from '@slipway/kernel';
import { configureMonitor } from '@slipway/monitoring';
import type { Tx } from '@slipway/records';
import { doneOnce } from '@slipway/workflows';
import type { LaunchDefinition, LaunchRequest } from './contract.ts';
import type { LaunchDeps } from './launch-deps.ts';
import type { ReleaseStep } from './launch-state.ts';

type Published = NonNullable<ReleaseStep>;

export interface Publishing {
  readonly definition: Pick<LaunchDefinition, 'name' | 'release' | 'recording' | 'serving' | 'environment' | 'rollout' | 'monitor'>;
  readonly version: string;
  readonly mode: LaunchRequest['mode'];
  readonly reason?: string | undefined;
  /** The run that a rollout is shown below. */
  readonly parent?: string | undefined;
}

/**
 * Takes a version live as its definition says, with its monitor; once in a run, however often the step is done.
 * @param also what else belongs to the same transaction
 */
export async function publishVersion(
  deps: LaunchDeps,
  { project, principal, run }: WorkflowContext,
  { definition, version, mode, reason, parent }: Publishing,
  also: (tx: Tx, published: Published) => Promise<void> = async () => {},
): Promise<Published> {
  const publication = {
    project,
    name: definition.release ?? definition.name,
    version,
    kind: 'model' as const,
    recording: definition.recording,
    serving: definition.serving,
    environment: definition.environment,
    run,
    principal: principal.id,
    revise: mode,
    reason,
  };
  const rollout = definition.rollout && { options: definition.rollout, principal, parent };
  const publish = async (tx: Tx) => {
    const { release, revision, run: conducting } = await deps.rollouts.publish(tx, publication, rollout);
    const published = { name: release, revision, rollout: conducting };
    const { monitor } = definition;
    if (monitor) await configureMonitor(deps, tx, { project, release, settings: monitor, principal: principal.id });
    await also(tx, published);
    return published;
  };
  return deps.records.transaction((tx) => doneOnce(tx, run, 'released', () => publish(tx)));
}
