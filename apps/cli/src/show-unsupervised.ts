import type { LaunchResult } from '@slipway/project/contract';
import { short, table } from './output.ts';

const NAMES = { cluster: 'clusters', reduce: 'components', anomaly: 'anomaly scores' } as const;
const COMPONENTS_SHOWN = 10;

/** The first lines of a launch without a target; undefined for other launches. */
export function unsupervisedHeading({ unsupervised, trainer, rows, version, created, seconds }: LaunchResult): string | undefined {
  if (!unsupervised) return undefined;
  const what = unsupervised.kind === 'anomaly' ? NAMES.anomaly : `${unsupervised.count} ${NAMES[unsupervised.kind]}`;
  return [
    `${what} by ${trainer} of ${unsupervised.columns.length} columns: ${rows.train} rows to learn from, ${rows.test} to judge by`,
    `version ${version}${created ? '' : ' (already there: same recipe)'}, ${short(seconds.total)} s`,
  ].join('\n');
}

/** What was found; empty for other launches. */
export function unsupervisedLines({ unsupervised }: LaunchResult): string {
  if (!unsupervised) return '';
  const { clusters, components, threshold, contamination, quantiles } = unsupervised;
  return [
    ...(clusters.length > 0
      ? [
          table(
            clusters.map(({ cluster, rows, traits }) => [String(cluster), String(rows), traits.join(', ') || 'like all rows']),
            ['cluster', 'rows', 'what sets it apart'],
          ),
        ]
      : []),
    ...(components.length > 0
      ? [
          table(
            components
              .slice(0, COMPONENTS_SHOWN)
              .map(({ component, share, weights }) => [
                String(component),
                `${short(share * 100)} %`,
                weights.map(({ of, weight }) => `${of} ${short(weight)}`).join(', '),
              ]),
            ['component', 'variance', 'weighs most'],
          ),
        ]
      : []),
    ...(threshold === null
      ? []
      : [
          `an anomaly is a score above ${short(threshold)} (${short((contamination ?? 0) * 100)} % of the training rows)`,
          `scores: ${quantiles.map(({ level, value }) => `${short(level * 100)} % ${short(value)}`).join(', ')}`,
        ]),
  ].join('\n');
}
