import { FIRST_LEVEL_CODE, MISSING_CODE, OTHER_CODE, type Preparation } from '../preparation.ts';
import type { EncodedMatrix } from '../matrix.ts';
import type { Fitted } from './fit.ts';
import { outputsOf } from './fit.ts';
import { meansOf, placeRows, type Space } from './space.ts';
import type { ClusterFacts, ComponentFacts } from './worker-protocol.ts';

/** Traits of a cluster, and weights of a component, that are named. */
const NAMED = 5;
/** A mean this many deviations from that of all rows is no trait. */
const TRAIT_MIN = 0.3;

/** What each dimension of a space says. */
export function dimensionNames({ design }: Space, { features }: Preparation): string[] {
  const name = (feature: number) => features[feature]?.name ?? '';
  return [
    ...design.numeric.map((term) => name(term.feature)),
    ...design.numeric.filter((term) => term.hasIndicator).map((term) => `${name(term.feature)} missing`),
    ...design.categorical.flatMap(({ feature, codeCount }) => {
      const plan = features[feature];
      return Array.from({ length: codeCount }, (_, code) => `${name(feature)} = ${levelName(plan, code)}`);
    }),
  ];
}

function levelName(plan: Preparation['features'][number] | undefined, code: number): string {
  if (code === MISSING_CODE) return 'missing';
  if (code === OTHER_CODE) return 'other';
  return plan?.kind === 'category' ? (plan.levels[code - FIRST_LEVEL_CODE] ?? '') : String(code - FIRST_LEVEL_CODE);
}

/** Each cluster by the dimensions in which its rows differ most from all. */
export function describeClusters(
  fitted: Extract<Fitted, { kind: 'cluster' }>,
  preparation: Preparation,
  train: EncodedMatrix,
): ClusterFacts[] {
  const { prediction } = outputsOf(fitted, train);
  const names = dimensionNames(fitted.space, preparation);
  const points = placeRows(fitted.space, train);
  const means = meansOf(points);
  const { centres, count } = fitted.clustering;
  return Array.from({ length: count }, (_, cluster): ClusterFacts => {
    const differences = names.map((name, at) => ({ name, by: (centres[cluster * points.width + at] as number) - (means[at] as number) }));
    const traits = differences
      .filter(({ by }) => Math.abs(by) >= TRAIT_MIN)
      .toSorted((a, b) => Math.abs(b.by) - Math.abs(a.by))
      .slice(0, NAMED)
      .map(({ name, by }) =>
        name.includes(' = ')
          ? `${by > 0 ? 'more' : 'less'} ${name}`
          : `${by > 0 ? 'high' : 'low'} ${name} (${by > 0 ? '+' : ''}${by.toFixed(1)} deviations)`,
      );
    return { cluster: cluster + 1, rows: prediction.reduce((sum, each) => sum + (each === cluster + 1 ? 1 : 0), 0), traits };
  });
}

export function describeComponents({ space, components }: Extract<Fitted, { kind: 'reduce' }>, preparation: Preparation): ComponentFacts[] {
  const names = dimensionNames(space, preparation);
  const { directions, variances, total, count } = components;
  return Array.from({ length: count }, (_, component) => ({
    component: component + 1,
    share: total > 0 ? (variances[component] as number) / total : 0,
    weights: names
      .map((of, at) => ({ of, weight: directions[component * names.length + at] as number }))
      .toSorted((a, b) => Math.abs(b.weight) - Math.abs(a.weight))
      .slice(0, NAMED),
  }));
}
