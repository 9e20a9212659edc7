import type { EvaluationReport } from '../contract.ts';
import { type PagePlot, type PageSection, type PageTable, percent, show, showInterval } from './document.ts';
import { barPlot, linePlot } from './svg.ts';

const ROW_LIMIT = 20;
const DEPENDENCE_SHOWN = 6;
/** Rows of the table by step ahead. */
const FORECAST_STEPS_SHOWN = 24;
const FORECASTS_SHOWN = 4;

export function objectiveSection({ objective, decision }: EvaluationReport): PageSection | undefined {
  if (!objective) {
    if (!decision?.advice) return undefined;
    const { advice } = decision;
    return {
      id: 'decision',
      title: 'Decision threshold',
      texts: [
        `The threshold is ${show(decision.threshold)}. The best F1 on training rows that a fit had not seen is at ${show(advice.threshold)}: ${show(advice.value)} instead of ${show(advice.atDefault)}.`,
      ],
    };
  }
  const unit = objective.kpi ? `${objective.kpi.name}${objective.kpi.unit === '' ? '' : `, ${objective.kpi.unit}`}` : 'value';
  const bars = [
    { label: 'model', value: objective.model.value ?? 0, low: objective.model.low, high: objective.model.high, mark: true },
    ...objective.alternatives.map((each) => ({
      label: each.name,
      value: each.value.value ?? 0,
      low: each.value.low,
      high: each.value.high,
    })),
  ];
  return {
    id: 'objective',
    title: 'Business objective',
    texts: [
      `${unit} per ${objective.per} rows; verdict: ${objective.verdict}.${objective.threshold === null ? '' : ` Decisions are made from ${show(objective.threshold)}, chosen on training rows.`}`,
      ...objective.notes,
    ],
    plots: [
      { caption: `${unit} per ${objective.per} rows`, svg: barPlot('Value of the alternatives', bars) },
      ...(objective.curve.length > 1
        ? [
            {
              caption: 'Value by threshold on the test rows',
              svg: linePlot({
                title: 'Value by threshold',
                x: 'threshold',
                y: unit,
                lines: [{ points: objective.curve.map((point) => [point.threshold, point.value] as const) }],
              }),
            },
          ]
        : []),
    ],
    tables: [
      {
        head: ['alternative', 'value', 'advantage of the model'],
        rows: objective.alternatives.map((each) => [each.name, showInterval(each.value), showInterval(each.advantage)]),
      },
      ...(objective.constraint
        ? [
            {
              head: ['constraint', 'value', 'met'],
              rows: [
                [objective.constraint.metric, showInterval(objective.constraint.value), objective.constraint.met ? 'passed' : 'failed'],
              ],
            },
          ]
        : []),
    ],
  };
}

export function comparisonSection({ comparison }: EvaluationReport): PageSection | undefined {
  if (!comparison) return undefined;
  const { champion } = comparison;
  return {
    id: 'comparison',
    title: 'Against the released version',
    texts: [
      `${champion.release} revision ${champion.revision} (${champion.version}) on the same ${comparison.rows} rows: ${comparison.verdict}. Decisions that differ: ${show(comparison.changed)}.`,
      ...comparison.notes,
    ],
    tables: [
      {
        head: ['metric', 'this version', 'released', 'improvement'],
        rows: comparison.metrics.map((each) => [each.metric, show(each.candidate), show(each.champion), showInterval(each.improvement)]),
      },
    ],
  };
}

export function slicesSection({ slices }: EvaluationReport): PageSection | undefined {
  if (!slices) return undefined;
  const columns = (list: typeof slices.worst): string[][] =>
    list.map((slice) => [
      slice.label,
      String(slice.rows),
      showInterval(slice.loss),
      show(slice.restLoss),
      show(slice.lift),
      show(slice.metric.value),
      show(slice.adjustedPValue),
    ]);
  const head = ['slice', 'rows', slices.loss, 'of the rest', 'lift', slices.metric, 'adjusted p'];
  return {
    id: 'slices',
    title: 'Slices',
    texts: [
      `${slices.tested} slices of at least ${slices.rowsMin} rows were tested on ${slices.rows} rows; false discoveries are held to ${percent(slices.falseDiscoveryRatio)} (Benjamini-Hochberg). ${slices.worst.length === 0 ? 'None is significantly worse than the rest.' : `${slices.worst.length} are significantly worse than the rest.`}`,
      ...slices.notes,
    ],
    plots:
      slices.worst.length === 0
        ? []
        : [
            {
              caption: `Mean ${slices.loss} in the slice; dashed: overall`,
              svg: barPlot(
                'Worst slices',
                slices.worst.map((slice) => ({
                  label: slice.label,
                  value: slice.loss.value ?? 0,
                  low: slice.loss.low,
                  high: slice.loss.high,
                })),
                slices.overall.loss,
              ),
            },
          ],
    tables: [
      ...(slices.worst.length > 0 ? [{ caption: 'Worst', head, rows: columns(slices.worst) }] : []),
      ...(slices.biased.length > 0
        ? [
            {
              caption: 'Over- or underestimated',
              head: ['slice', 'rows', 'said on average', 'true', 'adjusted p'],
              rows: slices.biased.map((slice) => [
                slice.label,
                String(slice.rows),
                show(slice.meanPrediction),
                show(slice.meanTruth),
                show(slice.adjustedPValue),
              ]),
            },
          ]
        : []),
    ],
  };
}

export function fairnessSection({ fairness }: EvaluationReport): PageSection | undefined {
  if (!fairness) return undefined;
  const tables: PageTable[] = fairness.attributes.flatMap((attribute) => [
    {
      caption: attribute.columns.join(' × '),
      head: ['group', 'rows', 'selection rate', 'true positive rate', 'false positive rate', 'precision', 'accuracy', 'mean error'],
      rows: attribute.groups.map((group) => [
        `${group.label}${group.small ? ' (few rows)' : ''}`,
        String(group.rows),
        showInterval(group.selectionRate),
        showInterval(group.truePositiveRate),
        showInterval(group.falsePositiveRate),
        showInterval(group.positivePredictiveValue),
        showInterval(group.accuracy),
        showInterval(group.meanError),
      ]),
    },
    {
      caption: `Disparities by ${attribute.columns.join(' × ')}`,
      head: ['measure', 'value'],
      rows: attribute.disparities.map((each) => [each.measure, showInterval(each)]),
    },
  ]);
  const mitigations = fairness.mitigations.map((each) => [
    each.method,
    each.columns.join(' × '),
    each.applied ? 'applied' : 'measured only',
    show(each.before.accuracy),
    show(each.after.accuracy),
    showInterval(each.price),
    each.note,
  ]);
  return {
    id: 'fairness',
    title: 'Fairness',
    texts: [...fairness.warnings, ...fairness.notes],
    plots: fairness.attributes.flatMap(ratesOf),
    tables: [
      ...tables,
      ...(mitigations.length > 0
        ? [
            {
              caption: 'What evening out would cost',
              head: ['method', 'by', 'state', 'accuracy before', 'after', 'price', 'note'],
              rows: mitigations,
            },
          ]
        : []),
    ],
  };
}

/** Bars of what each group of an attribute is given. */
function ratesOf(attribute: NonNullable<EvaluationReport['fairness']>['attributes'][number]): PagePlot[] {
  const groups = attribute.groups.filter((group) => (group.selectionRate ?? group.meanError) !== null);
  if (groups.length === 0) return [];
  const name = attribute.columns.join(' × ');
  const rate = groups[0]?.selectionRate ? 'Selection rate' : 'Mean error';
  return [
    {
      caption: `${rate} by ${name}`,
      svg: barPlot(
        `${rate} by ${name}`,
        groups.map((group) => ({
          label: group.label,
          value: (group.selectionRate ?? group.meanError)?.value ?? 0,
          low: (group.selectionRate ?? group.meanError)?.low ?? null,
          high: (group.selectionRate ?? group.meanError)?.high ?? null,
          mark: group.small,
        })),
      ),
    },
  ];
}

export function robustnessSection({ robustness }: EvaluationReport): PageSection | undefined {
  if (!robustness) return undefined;
  const { summary, entries, labelNoise } = robustness;
  const worst = entries.toSorted((a, b) => b.silentRatio - a.silentRatio).slice(0, ROW_LIMIT);
  return {
    id: 'robustness',
    title: 'Robustness',
    texts: ['Share of decisions that change although nothing about the row is noticed.', ...robustness.warnings, ...robustness.notes],
    plots: [
      {
        caption: 'Worst column of each disturbance',
        svg: barPlot(
          'Robustness',
          summary.map((each) => ({ label: each.test, value: each.worst ?? 0, mark: !each.passed })),
        ),
      },
      ...(labelNoise
        ? [
            {
              caption: `${labelNoise.metric} when so many training labels are wrong`,
              svg: linePlot({
                title: 'Label noise',
                x: 'share of wrong labels',
                y: labelNoise.metric,
                lines: [
                  {
                    points: [
                      [0, labelNoise.clean ?? Number.NaN] as const,
                      ...labelNoise.levels.map((level) => [level.ratio, level.value ?? Number.NaN] as const),
                    ],
                  },
                ],
              }),
            },
          ]
        : []),
    ],
    tables: [
      {
        head: ['disturbance', 'result', 'worst share', 'tolerance', 'column'],
        rows: summary.map((each) => [
          each.test,
          each.passed ? 'passed' : 'failed',
          percent(each.worst),
          percent(each.tolerance),
          each.field ?? '–',
        ]),
      },
      {
        caption: 'Most sensitive',
        head: ['disturbance', 'column', 'changed', 'noticed', 'changed unnoticed'],
        rows: worst.map((each) => [
          each.test,
          each.field ?? '–',
          showInterval(each.changed),
          percent(each.noticedRatio),
          percent(each.silentRatio),
        ]),
      },
    ],
  };
}

/** @param times fields whose numbers are milliseconds since 1970. */
export function explanationsSection({ explanations }: EvaluationReport, times: readonly string[] = []): PageSection | undefined {
  if (!explanations || explanations.fields.length === 0) return undefined;
  const numeric = explanations.dependence.filter((each) => each.kind === 'number' && each.values.length > 1).slice(0, DEPENDENCE_SHOWN);
  const categories = explanations.dependence
    .filter((each) => each.kind === 'category' && each.values.length > 1)
    .slice(0, DEPENDENCE_SHOWN);
  const said = explanations.outputs[0] ?? null;
  const answer = said === null ? 'mean prediction' : `mean probability of ${said}`;
  return {
    id: 'explanations',
    title: 'How the model decides',
    texts: [
      `${explanations.method} over ${explanations.rows} rows, in ${explanations.space}; contributions add up to the raw output within ${show(explanations.additivityError)}.`,
    ],
    plots: [
      {
        caption: 'Mean size of the contribution of each column',
        svg: barPlot(
          'Contributions',
          explanations.fields.slice(0, ROW_LIMIT).map((field) => ({ label: field.field, value: field.meanAbsolute })),
        ),
      },
      ...numeric.map((each) => ({
        caption: `${said === null ? 'What the model says' : `How likely the model holds ${said}`} on average as ${each.field} changes`,
        svg: linePlot({
          title: each.field,
          x: each.field,
          y: answer,
          xIsTime: times.includes(each.field),
          lines: [
            ...each.lines.map((line) => ({ points: pairs(each.values, line), style: 'faint' as const })),
            { points: pairs(each.values, each.mean[0] ?? []) },
          ],
        }),
      })),
      ...categories.map((each) => ({
        caption: `${said === null ? 'What the model says' : `How likely the model holds ${said}`} on average by ${each.field}`,
        svg: barPlot(
          each.field,
          each.values.map((value, index) => ({ label: String(value ?? 'missing'), value: each.mean[0]?.[index] ?? 0 })),
        ),
      })),
    ],
    tables:
      explanations.interactions && explanations.interactions.pairs.length > 0
        ? [
            {
              caption: 'Columns that act together',
              head: ['columns', 'strength'],
              rows: explanations.interactions.pairs.map((pair) => [pair.fields.join(' × '), show(pair.strength)]),
            },
          ]
        : [],
  };
}

function pairs(values: readonly (number | string | null)[], heights: readonly number[]): (readonly [number, number])[] {
  return values.flatMap((value, index) => (typeof value === 'number' ? [[value, heights[index] ?? Number.NaN] as const] : []));
}

export function forecastSection(report: EvaluationReport): PageSection | undefined {
  const { forecast } = report;
  if (!forecast) return undefined;
  const { members, worst } = forecast;
  // Evenly spread over the horizon, the last step always among them.
  const every = Math.ceil(forecast.steps.length / FORECAST_STEPS_SHOWN);
  const steps = forecast.steps.filter((_, index) => (forecast.steps.length - 1 - index) % every === 0);
  return {
    id: 'forecast',
    title: 'Forecast',
    tables: [
      {
        caption: 'What it is mixed of: error in the backtest (mean absolute, in sizes of the series) and weight',
        head: ['member', 'error', 'weight'],
        rows: members.map((each) => [each.member, show(each.error), percent(each.weight)]),
      },
      {
        caption: 'By step ahead',
        head: ['step', 'MASE', 'sMAPE', 'MASE of seasonal naive', 'truth in the interval'],
        rows: steps.map((each) => [String(each.step), show(each.mase), show(each.smape), show(each.naiveMase), percent(each.coverage)]),
      },
      ...(worst.length > 1
        ? [
            {
              caption: 'Series that it does worst on',
              head: ['series', 'MASE', 'sMAPE', 'forecasts'],
              rows: worst.map((each) => [each.series, show(each.mase), show(each.smape), String(each.forecasts)]),
            },
          ]
        : []),
    ],
    texts: [
      `${forecast.forecasts} forecasts of ${forecast.horizon} steps (${forecast.frequency}) over ${forecast.series} series. ${percent(forecast.interval.coverage)} of the truth lies in the ${percent(forecast.interval.level)} intervals.`,
    ],
    plots: [
      {
        caption: 'Error by step ahead; dashed: seasonal naive',
        svg: linePlot({
          title: 'Error by step',
          x: 'steps ahead',
          y: 'MASE',
          lines: [
            { points: forecast.steps.map((step) => [step.step, step.naiveMase ?? Number.NaN] as const), style: 'second' },
            { points: forecast.steps.map((step) => [step.step, step.mase ?? Number.NaN] as const) },
          ],
        }),
      },
      ...forecast.samples.slice(0, FORECASTS_SHOWN).map((sample) => ({
        caption: `${sample.series === '' ? report.target : sample.series}: dots are the truth, thin lines the interval`,
        svg: linePlot({
          title: sample.series === '' ? report.target : sample.series,
          x: 'step',
          y: 'value',
          lines: [
            { points: sample.points.map((point, step) => [step + 1, point.low] as const), style: 'faint' },
            { points: sample.points.map((point, step) => [step + 1, point.high] as const), style: 'faint' },
            { points: sample.points.map((point, step) => [step + 1, point.value] as const) },
            { points: sample.points.map((point, step) => [step + 1, point.truth ?? Number.NaN] as const), style: 'dots' },
          ],
        }),
      })),
    ],
  };
}
