import { type Interval, Bootstrap, averagePrecision, bootstrapInterval, createRandom, quantile, rocAuc } from '@slipway/statistics';
import { type EncodedMatrix, takeMatrixRows } from '../matrix.ts';
import {
  type Fitted,
  FIT_ROW_LIMIT,
  fitUnsupervised,
  outputsOf,
  sampleOf,
  SILHOUETTE_ROW_LIMIT,
  takePoints,
  type UnsupervisedOptions,
} from './fit.ts';
import { anomalyScores } from './isolation-forest.ts';
import { fitClusters } from './k-means.ts';
import { adjustedRand, rankCorrelation, silhouettes } from './measures.ts';
import { placeRows } from './space.ts';

/** Refits on resampled rows, whose answers are compared. */
const STABILITY_REFITS = 5;
const STABILITY_ROWS = 5_000;
const RESAMPLES = 500;
const JUDGED_ROW_LIMIT = 10_000;

export interface JudgeRequest {
  readonly fitted: Fitted;
  readonly options: UnsupervisedOptions;
  readonly train: EncodedMatrix;
  readonly test: EncodedMatrix;
  /** Codes of the label column of the test rows, -1 unknown: for judging only. */
  readonly labels?: Int32Array | undefined;
}

export interface Judgement {
  readonly metrics: Readonly<Record<string, Interval>>;
  /** The same fit on columns that know nothing of each other, or no fit at all. */
  readonly baseline: Readonly<Record<string, number>>;
  /** Score quantiles of the test rows; anomalies only. */
  readonly quantiles: readonly { readonly level: number; readonly value: number }[];
  readonly rows: number;
  readonly notes: readonly string[];
}

const QUANTILES = [0, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1];

/** Judges a model without a target by rows it has not seen. Seeded; bounded in rows. */
export function judgeUnsupervised(request: JudgeRequest): Judgement {
  const rows = sampleOf(request.test.rowCount, JUDGED_ROW_LIMIT, `judge:${request.options.seed}`);
  const test = takeMatrixRows(request.test, rows);
  const { labels: all } = request;
  const labels = all && Int32Array.from(rows, (row) => all[row] as number);
  const parts = { ...request, test, labels };
  if (request.fitted.kind === 'cluster') return judgeClusters(parts, request.fitted);
  return request.fitted.kind === 'reduce' ? judgeComponents(parts, request.fitted) : judgeScores(parts, request.fitted);
}

/** Columns shuffled on their own: nothing belongs together any more. */
function unrelated(matrix: EncodedMatrix, seed: number, label: string): EncodedMatrix {
  const random = createRandom(`unrelated:${label}:${seed}`);
  return {
    ...matrix,
    columns: matrix.columns.map((column) => {
      const order = random.shuffle(Int32Array.from(column.keys()));
      return Float32Array.from(order, (row) => column[row] as number);
    }),
  };
}

function judgeClusters({ options, train, test, labels }: JudgeRequest, fitted: Extract<Fitted, { kind: 'cluster' }>): Judgement {
  const { count } = fitted.clustering;
  const { seed } = options;
  const { prediction, features } = outputsOf(fitted, test);
  const points = placeRows(fitted.space, test);
  const rows = sampleOf(test.rowCount, SILHOUETTE_ROW_LIMIT, `silhouette:${seed}`);
  const assigned = Int32Array.from(rows, (row) => (prediction[row] as number) - 1);
  const found = silhouettes(takePoints(points, rows), assigned, count);
  const squared = Float64Array.from(prediction, (cluster, row) => (features[row * count + cluster - 1] as number) ** 2);
  const shuffled = unrelated(sample(train, 2_000, seed), seed, 'train');
  const reference = fitUnsupervised(shuffled, { ...options, clusters: count });
  const nothing = sample(unrelated(test, seed, 'test'), SILHOUETTE_ROW_LIMIT, seed);
  const said = reference.kind === 'cluster' ? outputsOf(reference, nothing).prediction : new Float64Array(0);
  const base =
    reference.kind === 'cluster'
      ? silhouettes(
          placeRows(reference.space, nothing),
          Int32Array.from(said, (each) => each - 1),
          count,
        )
      : said;
  return {
    metrics: {
      silhouette: meanInterval(found, seed),
      inertia: meanInterval(squared, seed),
      stability: interval(
        refits(train, seed).map((each, index) => adjustedRand(prediction, clustersOf(fitted, each, test, count, `${seed}:${index}`))),
      ),
      ...(labels ? { adjusted_rand: agreement(prediction, labels, seed) } : {}),
    },
    baseline: { silhouette: mean(base) },
    quantiles: [],
    rows: test.rowCount,
    notes: [],
  };
}

function clustersOf(
  fitted: Extract<Fitted, { kind: 'cluster' }>,
  train: EncodedMatrix,
  test: EncodedMatrix,
  count: number,
  seed: string,
): Float64Array {
  const clustering = fitClusters(placeRows(fitted.space, train), count, seed, 3);
  return outputsOf({ ...fitted, clustering }, test).prediction;
}

function judgeComponents({ options, train, test }: JudgeRequest, fitted: Extract<Fitted, { kind: 'reduce' }>): Judgement {
  const { seed } = options;
  const { count } = fitted.components;
  const shares = (model: Fitted, matrix: EncodedMatrix) => {
    if (model.kind !== 'reduce') return { left: new Float64Array(0), all: new Float64Array(0) };
    const { prediction } = outputsOf(model, matrix);
    const { values, width } = placeRows(model.space, matrix);
    const all = Float64Array.from({ length: matrix.rowCount }, (_, row) =>
      values.subarray(row * width, (row + 1) * width).reduce((sum, each) => sum + each * each, 0),
    );
    return { left: prediction.map((each) => each * each), all };
  };
  const { left, all } = shares(fitted, test);
  const nothing = shares(
    fitUnsupervised(unrelated(sample(train, 2_000, seed), seed, 'train'), { ...options, components: count }),
    unrelated(test, seed, 'test'),
  );
  const similar = refits(train, seed).map((each) => {
    const other = fitUnsupervised(each, { ...options, components: count });
    // Share of this model's directions that the other one's span.
    return other.kind === 'reduce' && other.components.directions.length === fitted.components.directions.length
      ? overlap(fitted.components.directions, other.components.directions, count)
      : Number.NaN;
  });
  return {
    metrics: { explained_variance: ratioInterval(left, all, seed), stability: interval(similar) },
    baseline: { explained_variance: 1 - sum(nothing.left) / sum(nothing.all) },
    quantiles: [],
    rows: test.rowCount,
    notes: [],
  };
}

function overlap(left: Float64Array, right: Float64Array, count: number): number {
  const width = left.length / count;
  let squares = 0;
  for (let a = 0; a < count; a += 1) {
    for (let b = 0; b < count; b += 1) {
      let product = 0;
      for (let at = 0; at < width; at += 1) product += (left[a * width + at] as number) * (right[b * width + at] as number);
      squares += product * product;
    }
  }
  return squares / count;
}

function judgeScores({ options, train, test, labels }: JudgeRequest, fitted: Extract<Fitted, { kind: 'anomaly' }>): Judgement {
  const { seed } = options;
  const scores = anomalyScores(fitted.forest, test);
  const alarms = scores.map((score) => (score > fitted.threshold ? 1 : 0));
  const stability = refits(train, seed).map((each, index) => {
    const other = fitUnsupervised(each, { ...options, seed: seed + index + 1 });
    return other.kind === 'anomaly' ? rankCorrelation(scores, anomalyScores(other.forest, test)) : Number.NaN;
  });
  const judged = labels && labelled(scores, labels, seed);
  const sorted = scores.toSorted();
  return {
    metrics: { anomaly_rate: meanInterval(alarms, seed), stability: interval(stability), ...judged?.metrics },
    baseline: { ...judged?.baseline },
    quantiles: QUANTILES.map((level) => ({ level, value: quantile(sorted, level) })),
    rows: test.rowCount,
    notes:
      labels && !judged
        ? ['The label column does not have two values among the rows to judge by, so the scores were not judged by it.']
        : [],
  };
}

/** How well the scores find the rarer of two labels. */
function labelled(scores: Float64Array, labels: Int32Array, seed: number): Pick<Judgement, 'metrics' | 'baseline'> | undefined {
  const known = Array.from(labels.keys()).filter((row) => (labels[row] as number) >= 0);
  const codes = [...new Set(known.map((row) => labels[row] as number))];
  if (codes.length !== 2) return undefined;
  const counts = codes.map((code) => known.filter((row) => labels[row] === code).length);
  const rare = (counts[0] as number) <= (counts[1] as number) ? codes[0] : codes[1];
  const values = Float64Array.from(known, (row) => scores[row] as number);
  const truth = Uint8Array.from(known, (row) => (labels[row] === rare ? 1 : 0));
  const by = (statistic: (scores: Float64Array, truth: Uint8Array) => number): Interval =>
    bootstrapInterval({
      n: values.length,
      seed: `labels:${seed}`,
      resamples: 200,
      statistic: (rows) => {
        const drawn = Uint8Array.from(rows, (row) => truth[row] as number);
        return drawn.includes(1) && drawn.includes(0)
          ? statistic(
              Float64Array.from(rows, (row) => values[row] as number),
              drawn,
            )
          : Number.NaN;
      },
    });
  return {
    metrics: { roc_auc: by(rocAuc), average_precision: by(averagePrecision) },
    baseline: { roc_auc: 0.5, average_precision: truth.reduce((total, each) => total + each, 0) / truth.length },
  };
}

function agreement(prediction: Float64Array, labels: Int32Array, seed: number): Interval {
  const known = Array.from(labels.keys()).filter((row) => (labels[row] as number) >= 0);
  return bootstrapInterval({
    n: Math.max(1, known.length),
    seed: `agreement:${seed}`,
    resamples: 100,
    statistic: (rows) => {
      const drawn = Array.from(rows, (at) => known[at] as number);
      return adjustedRand(
        drawn.map((row) => prediction[row] as number),
        drawn.map((row) => labels[row] as number),
      );
    },
  });
}

/** Training rows drawn with replacement, several times. */
function refits(train: EncodedMatrix, seed: number): EncodedMatrix[] {
  const random = createRandom(`refits:${seed}`);
  const size = Math.min(train.rowCount, STABILITY_ROWS, FIT_ROW_LIMIT);
  return Array.from({ length: STABILITY_REFITS }, () =>
    takeMatrixRows(
      train,
      Int32Array.from({ length: size }, () => random.int(train.rowCount)),
    ),
  );
}

function sample(matrix: EncodedMatrix, limit: number, seed: number): EncodedMatrix {
  return takeMatrixRows(matrix, sampleOf(matrix.rowCount, limit, `sample:${seed}`));
}

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((total, each) => total + each, 0);
const mean = (values: ArrayLike<number>) => sum(values) / values.length;

/** Mean, least and most of the refits. */
function interval(values: readonly number[]): Interval {
  const known = values.filter((value) => Number.isFinite(value));
  return known.length === 0
    ? { value: Number.NaN, low: Number.NaN, high: Number.NaN }
    : { value: mean(known), low: Math.min(...known), high: Math.max(...known) };
}

function meanInterval(values: Float64Array, seed: number): Interval {
  return ratioInterval(values, new Float64Array(values.length).fill(1), seed, false);
}

/** Of 1 - sum(part) / sum(all), or of the ratio itself. */
function ratioInterval(part: Float64Array, all: Float64Array, seed: number, isShareLeft = true): Interval {
  const bootstrap = new Bootstrap(
    [
      {
        rowCount: part.length,
        names: ['ratio'],
        evaluate(counts, out) {
          let [above, below] = [0, 0];
          for (let row = 0; row < part.length; row += 1) {
            above += (counts[row] as number) * (part[row] as number);
            below += (counts[row] as number) * (all[row] as number);
          }
          out[0] = isShareLeft ? 1 - above / below : above / below;
        },
      },
    ],
    { seed: `unsupervised:${seed}`, resamples: RESAMPLES },
  );
  bootstrap.advance(RESAMPLES);
  return bootstrap.interval('ratio');
}
