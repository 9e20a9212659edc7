import { type Json, categoryText, toRfc3339 } from '@slipway/kernel';
import { quantile } from '@slipway/statistics';
import type { Pair } from '@slipway/telemetry';
import type { ConceptDrift } from '../contract.ts';
import { OUTCOME_COUNT_MIN } from '../limits.ts';
import type { PredictionTask } from '../quality/quality.ts';
import { Adwin } from './adwin.ts';

const CHANGES_SHOWN_LIMIT = 20;

type ConceptPair = Pick<Pair, 'invocation' | 'eventTimeMs' | 'prediction' | 'outcome'>;

/**
 * Whether the error of predictions has changed along the time of the calls, by ADWIN over those whose outcome is known, however
 * late it came. Classification: wrong or right. Regression: the absolute error as a share of ten times its median, at most 1.
 * A rise after the last change is drift; a fall is told and is none.
 */
export function findConceptDrift(pairs: readonly ConceptPair[], task: PredictionTask['task']): ConceptDrift {
  // Calls of one moment are ordered by id, so that the order of arrival changes nothing.
  const ordered = pairs.toSorted((a, b) => a.eventTimeMs - b.eventTimeMs || (a.invocation < b.invocation ? -1 : 1));
  const errors = task === 'regression' ? numberErrors(ordered) : labelErrors(ordered);
  if (errors.length < OUTCOME_COUNT_MIN) {
    return {
      verdict: 'not-enough-data',
      reason: `${errors.length} outcomes; a verdict needs ${OUTCOME_COUNT_MIN}`,
      error: null,
      changes: [],
    };
  }
  const adwin = new Adwin();
  const changes: ConceptDrift['changes'] = [];
  for (const { error, atMs } of errors) {
    const change = adwin.add(error);
    if (change) changes.push({ at: toRfc3339(atMs), before: change.before, after: change.after });
  }
  const last = changes.at(-1);
  const error = { measure: task === 'regression' ? 'relative absolute error' : 'error rate', value: adwin.mean, count: adwin.width };
  if (!last) return { verdict: 'ok', reason: 'the error has not changed', error, changes };
  const [before, after] = [last.before.toPrecision(3), last.after.toPrecision(3)];
  const verdict = last.after > last.before ? 'drift' : 'ok';
  return {
    verdict,
    reason: `the ${error.measure} ${verdict === 'drift' ? 'rose' : 'fell'} from ${before} to ${after}, noticed at ${last.at}`,
    error,
    changes: changes.slice(-CHANGES_SHOWN_LIMIT),
  };
}

function labelErrors(pairs: readonly ConceptPair[]): { error: number; atMs: number }[] {
  return pairs.flatMap(({ prediction, outcome, eventTimeMs }) => {
    const [said, was] = [text(prediction), text(outcome)];
    return said === null || was === null ? [] : [{ error: said === was ? 0 : 1, atMs: eventTimeMs }];
  });
}

function text(value: Json): string | null {
  return value !== null && typeof value === 'object' ? null : categoryText(value);
}

function numberErrors(pairs: readonly ConceptPair[]): { error: number; atMs: number }[] {
  const errors = pairs.flatMap(({ prediction, outcome, eventTimeMs }) =>
    typeof prediction === 'number' && typeof outcome === 'number' ? [{ error: Math.abs(prediction - outcome), atMs: eventTimeMs }] : [],
  );
  if (errors.length === 0) return [];
  const scale = 10 * quantile(Float64Array.from(errors, (each) => each.error).toSorted(), 0.5);
  return errors.map(({ error, atMs }) => ({ error: error === 0 ? 0 : Math.min(1, error / (scale || error)), atMs }));
}
