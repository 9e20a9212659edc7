import type { EvaluationReport } from '../contract.ts';
import { type PageSection, type PageTable, percent, show, showInterval } from './document.ts';
import { barPlot, linePlot } from './svg.ts';

const VERDICTS = {
  'use-model': 'The model is shown to be better than the rules.',
  'use-rules': 'The rules are shown to be better than the model.',
  'no-difference-shown': 'These rows show no difference between the model and the rules.',
} as const;

/** "Rules or AI?", or the rules that are the model. */
export function rulesSection({ rules }: EvaluationReport): PageSection | undefined {
  if (!rules) return undefined;
  const { comparison } = rules;
  return {
    id: 'rules',
    title: rules.role === 'model' ? 'Rules' : 'Rules or AI?',
    texts: [
      ...(comparison
        ? [
            `${VERDICTS[comparison.verdict]} Both on the same ${comparison.rows} rows, ${percent(comparison.changed)} of which are decided otherwise.`,
          ]
        : []),
      ...rules.notes,
    ],
    tables: [
      ...(comparison
        ? [
            {
              caption: 'Paired by rows; an advantage above zero says that the model is better',
              head: ['metric', 'model', 'rules', 'advantage of the model'],
              rows: comparison.metrics.map((each) => [each.metric, show(each.model), show(each.rules), showInterval(each.improvement)]),
            },
          ]
        : []),
      {
        caption: 'The first rule that holds decides',
        head: ['rule', 'answer', 'training rows', 'right there (or their mean)'],
        rows: rules.rules.map((each) => [
          each.name === null ? each.condition : `${each.name}: ${each.condition}`,
          each.then === null ? '–' : String(each.then),
          String(each.rows),
          show(each.found),
        ]),
      },
    ],
  };
}

/** What a model without a target found. */
export function unsupervisedSection({ unsupervised }: EvaluationReport): PageSection | undefined {
  if (!unsupervised) return undefined;
  const { kind, columns, components, tried, threshold, contamination } = unsupervised;
  const names = { cluster: 'Clusters', reduce: 'Components', anomaly: 'Anomaly scores' } as const;
  return {
    id: 'unsupervised',
    title: names[kind],
    texts: [
      `Learnt from ${columns.length} columns, each of the same weight: ${columns.slice(0, 40).join(', ')}${columns.length > 40 ? ', …' : ''}.`,
      ...(threshold === null
        ? []
        : [`A score above ${show(threshold)} is an anomaly: ${percent(contamination)} of the training rows are.`]),
    ],
    plots: [
      ...(tried.length > 1
        ? [
            {
              caption: 'Silhouette by number of clusters',
              svg: linePlot({
                title: 'Silhouette',
                x: 'clusters',
                y: 'silhouette',
                lines: [{ points: tried.map((each) => [each.clusters, each.silhouette] as const) }],
              }),
            },
          ]
        : []),
      ...(components.length > 0
        ? [
            {
              caption: 'Share of the variance',
              svg: barPlot(
                'Share of the variance',
                components.map((each) => ({ label: String(each.component), value: each.share })),
              ),
            },
          ]
        : []),
    ],
    tables: unsupervisedTables(unsupervised),
  };
}

type Unsupervised = NonNullable<EvaluationReport['unsupervised']>;

function unsupervisedTables({ clusters, components, quantiles }: Unsupervised): PageTable[] {
  let held = 0;
  return [
    ...(clusters.length > 0
      ? [
          {
            head: ['cluster', 'training rows', 'what sets it apart'],
            rows: clusters.map((each) => [String(each.cluster), String(each.rows), each.traits.join(', ') || 'like all rows']),
          },
        ]
      : []),
    ...(components.length > 0
      ? [
          {
            head: ['component', 'variance', 'together', 'weighs most'],
            rows: components.map((each) => {
              held += each.share;
              const weights = each.weights.map(({ of, weight }) => `${of} ${show(weight)}`);
              return [String(each.component), percent(each.share), percent(held), weights.join(', ')];
            }),
          },
        ]
      : []),
    ...(quantiles.length > 0
      ? [
          {
            caption: 'Scores of the test rows',
            head: ['share of rows below', 'score'],
            rows: quantiles.map(({ level, value }) => [percent(level), show(value)]),
          },
        ]
      : []),
  ];
}
