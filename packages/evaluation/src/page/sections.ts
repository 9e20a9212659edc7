import type { EvaluationReport } from '../contract.ts';
import { higherIsBetter } from '../metric-table.ts';
import { type PageSection, show, showInterval } from './document.ts';
import { barPlot, heatPlot, histogramPlot, linePlot } from './svg.ts';

const ROW_LIMIT = 20;
const DIAGONAL = [
  [0, 0],
  [1, 1],
] as const;
const UNIT = [0, 1] as const;

/** Metrics beside the baseline, with intervals. */
export function metricsSection(report: EvaluationReport): PageSection {
  const names = Object.keys(report.metrics) as (keyof typeof report.metrics)[];
  return {
    id: 'metrics',
    title: 'Metrics',
    texts: [
      `${Math.round(report.level * 100)} % intervals from ${report.resamples} bootstrap resamples, seed ${report.seed}.${improvementText(report)}`,
      ...(report.deLong
        ? [`DeLong's interval of the area under the ROC curve: ${show(report.deLong.low)} to ${show(report.deLong.high)}.`]
        : []),
    ],
    tables: [
      {
        head: ['metric', 'value', 'interval', 'baseline', 'better is'],
        rows: names.map((name) => [
          name === report.primary ? `${name} (primary)` : name,
          show(report.metrics[name]?.value),
          `${show(report.metrics[name]?.low)} to ${show(report.metrics[name]?.high)}`,
          show(report.baseline.metrics[name]),
          direction(name),
        ]),
      },
    ],
  };
}

/** Nothing where there was no baseline to compare with. */
function improvementText({ improvement, baseline }: EvaluationReport): string {
  if (improvement.value === null) return '';
  return ` The model improves ${improvement.metric} over the baseline (${baseline.name}) by ${showInterval(improvement)}.`;
}

/** Shares that follow from what was asked for are neither good nor bad. */
const UNDIRECTED: ReadonlySet<string> = new Set(['anomaly_rate', 'coverage']);

function direction(metric: string): string {
  if (UNDIRECTED.has(metric)) return '–';
  return higherIsBetter(metric) ? 'higher' : 'lower';
}

export function gatesSection({ gates, gatesHash }: EvaluationReport): PageSection | undefined {
  if (gates.length === 0) return undefined;
  return {
    id: 'gates',
    title: 'Gates',
    texts: [`Fixed before the evaluation, SHA-256 ${gatesHash}.`],
    tables: [
      {
        head: ['gate', 'result', 'value', 'threshold', 'finding'],
        rows: gates.map((gate) => [gate.name, gate.passed ? 'passed' : 'failed', show(gate.value), show(gate.threshold), gate.message]),
      },
    ],
  };
}

export function leaksSection({ leakage, acceptedLeaks }: EvaluationReport): PageSection | undefined {
  if (leakage.length === 0) return undefined;
  return {
    id: 'leaks',
    title: 'Leaks',
    tables: [
      {
        head: ['what', 'kind', 'action', 'reason'],
        rows: leakage.map((leak) => [leak.column, leak.kind, acceptedLeaks.includes(leak.column) ? 'accepted' : leak.action, leak.reason]),
      },
      ...leakage
        .filter((leak) => leak.rows.length > 0)
        .map((leak) => ({
          caption: `Rows that show it: ${leak.column}`,
          head: ['row', 'side', 'values'],
          rows: leak.rows.map(({ row, side, values }) => [
            String(row),
            side,
            Object.entries(values)
              .map(([name, value]) => `${name} = ${value ?? 'missing'}`)
              .join(', '),
          ]),
        })),
    ],
  };
}

export function curvesSection({ curves, metrics, positive }: EvaluationReport): PageSection | undefined {
  if (!curves) return undefined;
  const roc = curves.roc.map((point) => [point.falsePositiveRatio, point.truePositiveRatio] as const);
  const precision = curves.precisionRecall.map((point) => [point.recall, point.precision] as const);
  const plots = [
    {
      caption: `ROC curve, area ${show(metrics.roc_auc?.value)}`,
      svg: linePlot({
        title: 'ROC curve',
        x: 'false positive rate',
        y: 'true positive rate',
        xRange: UNIT,
        yRange: UNIT,
        lines: [{ points: DIAGONAL, style: 'faint' }, { points: roc }],
      }),
    },
    {
      caption: `Precision by recall, average precision ${show(metrics.average_precision?.value)}`,
      svg: linePlot({
        title: 'Precision and recall',
        x: 'recall',
        y: 'precision',
        xRange: UNIT,
        yRange: UNIT,
        lines: [{ points: precision }],
      }),
    },
    ...(curves.gain.length > 0
      ? [
          {
            caption: 'Gain: share of the positives among the best-scored share of rows',
            svg: linePlot({
              title: 'Gain',
              x: 'share of rows taken',
              y: 'share of positives found',
              xRange: UNIT,
              yRange: UNIT,
              lines: [{ points: DIAGONAL, style: 'faint' }, { points: curves.gain.map((point) => [point.taken, point.gain] as const) }],
            }),
          },
        ]
      : []),
    ...(curves.cost.length > 0
      ? [
          {
            caption: 'Cost curve: the least share of what could go wrong that some threshold lets happen',
            svg: linePlot({
              title: 'Cost curve',
              x: 'probability cost of the positive class',
              y: 'normalised cost',
              xRange: UNIT,
              lines: [{ points: curves.cost.map((point) => [point.probabilityCost, point.normalisedCost] as const) }],
            }),
          },
        ]
      : []),
  ];
  return { id: 'curves', title: 'Curves', texts: positive === null ? [] : [`Positive class: ${positive}.`], plots };
}

export function calibrationSection({ calibration }: EvaluationReport): PageSection | undefined {
  if (!calibration || calibration.length === 0) return undefined;
  const points = calibration.map((bin) => [bin.meanProbability, bin.observedRatio] as const);
  return {
    id: 'calibration',
    title: 'Calibration',
    texts: ['When the model says 70 %, it should happen in 70 % of such rows: points on the dashed line are honest probabilities.'],
    plots: [
      {
        caption: 'Said and observed, by bins of the probability',
        svg: linePlot({
          title: 'Calibration',
          x: 'mean probability said',
          y: 'share observed',
          xRange: UNIT,
          yRange: UNIT,
          lines: [{ points: DIAGONAL, style: 'faint' }, { points }, { points, style: 'dots' }],
        }),
      },
    ],
    tables: [
      {
        head: ['probability', 'rows', 'said', 'observed'],
        rows: calibration.map((bin) => [
          `${show(bin.from)} to ${show(bin.to)}`,
          show(bin.rows),
          show(bin.meanProbability),
          show(bin.observedRatio),
        ]),
      },
    ],
  };
}

export function confusionSection({ confusion }: EvaluationReport): PageSection | undefined {
  if (!confusion) return undefined;
  const most = confusion.cells
    .flatMap((row, truth) => row.map((count, predicted) => ({ truth, predicted, count })))
    .filter((cell) => cell.truth !== cell.predicted && cell.count > 0)
    .toSorted((a, b) => b.count - a.count)
    .slice(0, ROW_LIMIT);
  return {
    id: 'confusion',
    title: 'Confusion',
    plots: [
      { caption: 'What was true (rows) and what was said (columns)', svg: heatPlot('Confusion', confusion.classes, confusion.cells) },
    ],
    tables:
      most.length === 0
        ? []
        : [
            {
              caption: 'Most frequent confusions',
              head: ['truth', 'predicted', 'rows'],
              rows: most.map((cell) => [confusion.classes[cell.truth] ?? '', confusion.classes[cell.predicted] ?? '', show(cell.count)]),
            },
          ],
  };
}

export function residualsSection({ residuals }: EvaluationReport): PageSection | undefined {
  if (!residuals) return undefined;
  const { deciles } = residuals;
  const total = residuals.histogram.reduce((sum, part) => sum + part.rows, 0) || 1;
  const tests: [string, number | null | undefined][] = [
    ['normality (Jarque-Bera)', residuals.normality.pValue],
    ['constant spread (Breusch-Pagan)', residuals.heteroscedasticity.pValue],
    ['independence in time (Ljung-Box)', residuals.autocorrelation?.pValue],
  ];
  const decile = (pick: (bin: (typeof deciles)[number]) => number) => deciles.map((bin) => [bin.meanPredicted, pick(bin)] as const);
  return {
    id: 'residuals',
    title: 'Residuals',
    texts: [`Truth less prediction; the mean is ${show(residuals.mean)}. Small p-values say that a check is not met.`, ...residuals.notes],
    plots: [
      {
        caption: 'Distribution of the residuals',
        svg: histogramPlot(
          'Residuals',
          residuals.histogram.map((part) => ({ ...part, share: part.rows / total })),
          'residual',
        ),
      },
      {
        caption: 'Mean truth by tenths of the prediction; dashed: a perfect answer',
        svg: linePlot({
          title: 'Prediction and truth',
          x: 'mean prediction',
          y: 'mean truth',
          lines: [
            { points: decile((bin) => bin.meanPredicted), style: 'faint' },
            { points: decile((bin) => bin.meanTruth) },
            { points: decile((bin) => bin.meanTruth), style: 'dots' },
          ],
        }),
      },
    ],
    tables: [
      { head: ['check', 'p-value'], rows: tests.filter(([, value]) => value !== undefined).map(([name, value]) => [name, show(value)]) },
      {
        head: ['prediction', 'rows', 'mean residual', 'RMSE'],
        rows: residuals.deciles.map((bin) => [
          `${show(bin.from)} to ${show(bin.to)}`,
          show(bin.rows),
          show(bin.meanResidual),
          show(bin.rmse),
        ]),
      },
    ],
  };
}

export function importancesSection({ importances }: EvaluationReport): PageSection | undefined {
  if (!importances || importances.fields.length === 0) return undefined;
  const shown = importances.fields.slice(0, ROW_LIMIT);
  return {
    id: 'importances',
    title: 'Importance of columns',
    texts: [`Loss of ${importances.metric} when a column is shuffled, ${importances.rows} rows, ${importances.repeats} repeats.`],
    plots: [
      {
        caption: 'Bars: mean over repeats; lines: one standard deviation',
        svg: barPlot(
          'Importance',
          shown.map(({ field, importance, deviation }) => ({
            label: field,
            value: importance,
            low: importance - deviation,
            high: importance + deviation,
          })),
        ),
      },
    ],
    tables: [
      {
        head: ['column', 'importance', 'deviation'],
        rows: shown.map((field) => [field.field, show(field.importance), show(field.deviation)]),
      },
    ],
  };
}

export function balanceSection({ balance }: EvaluationReport): PageSection | undefined {
  if (!balance) return undefined;
  return {
    id: 'balance',
    title: 'Classes',
    tables: [
      {
        head: ['class', 'training rows', 'test rows'],
        rows: balance.slice(0, 100).map((each) => [each.class, String(each.train), String(each.test)]),
      },
    ],
  };
}

export function notesSection({ notes }: EvaluationReport): PageSection | undefined {
  return notes.length === 0 ? undefined : { id: 'notes', title: 'Notes', texts: notes };
}
