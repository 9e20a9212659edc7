import { InvalidError } from '@slipway/kernel';
import { CLUSTERS_MAX, COMPONENTS_MAX, type UnsupervisedDefinition } from '@slipway/project/contract';
import type { Command } from 'commander';
import { parseNumber } from './options.ts';

export interface UnsupervisedFlags {
  readonly task?: string;
  readonly clusters?: string;
  readonly components?: string;
  readonly contamination?: string;
  readonly label?: string;
}

const TASKS = ['cluster', 'reduce', 'anomaly'] as const;
const OWNERS = { clusters: 'cluster', components: 'reduce', contamination: 'anomaly' } as const;

/** The flags of launches without a target. */
export function addUnsupervisedFlags(command: Command): Command {
  return command
    .option('--clusters <n>', 'cluster: how many groups (default: the number with the best silhouette)')
    .option('--components <n>', 'reduce: how many components (default: as many as hold 90 % of the variance)')
    .option('--contamination <share>', 'anomaly: share of rows that are to count as anomalies (default: 0.05)')
    .option('--label <column>', 'cluster, anomaly: a column used for judging only');
}

/** The launch without a target that the flags mean; undefined when they mean none. @throws {InvalidError} naming the flag. */
export function unsupervisedOf(flags: UnsupervisedFlags): UnsupervisedDefinition | undefined {
  const task = TASKS.find((each) => each === flags.task);
  if (task === undefined) {
    const given = (['clusters', 'components', 'contamination', 'label'] as const).find((name) => flags[name] !== undefined);
    if (given === undefined) return undefined;
    throw new InvalidError(`--${given}: belongs to a launch without a target.`, { help: `Say --task ${TASKS.join(', ')}.` });
  }
  for (const [option, owner] of Object.entries(OWNERS)) {
    if (flags[option as keyof typeof OWNERS] !== undefined && owner !== task)
      throw new InvalidError(`--${option}: belongs to --task ${owner}, not to --task ${task}.`);
  }
  const clusters = parseNumber('--clusters', flags.clusters, { min: 2, max: CLUSTERS_MAX, whole: true });
  const components = parseNumber('--components', flags.components, { min: 1, max: COMPONENTS_MAX, whole: true });
  const contamination = parseNumber('--contamination', flags.contamination, { min: 0.0001, max: 0.5 });
  return {
    task,
    ...(clusters === undefined ? {} : { clusters }),
    ...(components === undefined ? {} : { components }),
    ...(contamination === undefined ? {} : { contamination }),
    ...(flags.label === undefined ? {} : { label: flags.label }),
  };
}
