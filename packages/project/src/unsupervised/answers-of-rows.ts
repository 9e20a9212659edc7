import { type RobustnessSection, type RobustnessTest, type TaskData, assessRobustness } from '@slipway/evaluation';
import { type Frame, INPUT_ROLES, takeRows } from '@slipway/kernel';
import { type UnsupervisedAnswer, type UnsupervisedMetadata, openUnsupervisedGraph } from '@slipway/learning';
import { sketchCodes, sketchNumbers } from '@slipway/statistics';
import { PREDICTION_FIELD } from '@slipway/telemetry';
import { PREDICTED_ROWS_LIMIT, inputSketches } from '../reference-sketches.ts';
import type { UnsupervisedRows } from './unsupervised-data.ts';

type Answering = Awaited<ReturnType<typeof openUnsupervisedGraph>>;

/** Tests that say something of an anomaly score: a slip of units should be noticed, and is noticed by being an anomaly. */
const ANOMALY_TESTS: readonly RobustnessTest[] = ['missing', 'noise', 'typo', 'case', 'whitespace'];

/** Labels that a model without a target answers with; null when it answers numbers. */
export function answerLabels({ task, count }: Pick<UnsupervisedMetadata, 'task' | 'count'>): readonly string[] | null {
  if (task === 'reduce') return null;
  return task === 'anomaly' ? ['usual', 'anomaly'] : Array.from({ length: count }, (_, at) => String(at + 1));
}

/** What monitors compare with: inputs over the training rows, answers over rows the model has not seen. Plain JSON. */
export async function unsupervisedReference(
  metadata: UnsupervisedMetadata,
  bytes: Uint8Array,
  { train, test }: Pick<UnsupervisedRows, 'train' | 'test'>,
): Promise<{ readonly format: 'slipway.sketches/1'; readonly fields: Record<string, unknown> }> {
  const graph = await openUnsupervisedGraph({ metadata, source: { bytes } });
  try {
    const answers = await graph.answersOfFrame(firstRows(test, PREDICTED_ROWS_LIMIT));
    const labels = answerLabels(metadata);
    const predictions = labels
      ? sketchCodes(
          Int32Array.from(answers, (answer) => labels.indexOf(String(answer.prediction))),
          labels,
        )
      : sketchNumbers(Float64Array.from(answers, (answer) => Number(answer.prediction)));
    return {
      format: 'slipway.sketches/1',
      fields: { ...inputSketches(metadata.contract, train), [PREDICTION_FIELD]: predictions.toJson() },
    };
  } finally {
    await graph.close();
  }
}

/**
 * Whether rows that are not as they should be are answered as before: the share of clusters, or of "anomaly" and "usual", that
 * changes. Null for components, which are no decisions.
 */
export async function holdOfAnswers(
  metadata: UnsupervisedMetadata,
  graph: Answering,
  test: Frame,
  options: { readonly seed: number; readonly signal: AbortSignal | undefined },
): Promise<RobustnessSection | null> {
  const labels = answerLabels(metadata);
  if (!labels || labels.length < 2) return null;
  const frame = firstRows(test, PREDICTED_ROWS_LIMIT);
  const before = await graph.answersOfFrame(frame);
  const binary = labels.length === 2;
  const task: Pick<TaskData, 'task' | 'classes' | 'positive'> = {
    task: binary ? 'binary' : 'multiclass',
    classes: labels,
    positive: binary ? (labels[1] ?? null) : null,
  };
  const section = await assessRobustness({
    ...task,
    // There is no truth to compare with: its own answers to the rows as they are stand in for it.
    truth: Int32Array.from(before, (answer) => labels.indexOf(String(answer.prediction))),
    predictions: { probabilities: certainties(before, labels) },
    frame,
    fields: metadata.contract.fields.filter((field) => INPUT_ROLES.has(field.role)),
    predict: async (spoilt) => ({ probabilities: certainties(await graph.answersOfFrame(spoilt), labels) }),
    ...options,
    ...(metadata.task === 'anomaly' ? { tests: ANOMALY_TESTS } : {}),
  });
  return {
    ...section,
    metric: 'answers that stay',
    entries: section.entries.map((entry) => ({ ...entry, metricBefore: null, metricAfter: null })),
  };
}

function certainties(answers: readonly UnsupervisedAnswer[], labels: readonly string[]): Float32Array {
  const certain = new Float32Array(answers.length * labels.length);
  answers.forEach((answer, row) => {
    certain[row * labels.length + labels.indexOf(String(answer.prediction))] = 1;
  });
  return certain;
}

function firstRows(frame: Frame, limit: number): Frame {
  if (frame.rowCount <= limit) return frame;
  return takeRows(
    frame,
    Array.from({ length: limit }, (_, row) => row),
  );
}
