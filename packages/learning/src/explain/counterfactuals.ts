import type { FieldRange } from './explainer-data.ts';

/** Fields that one counterfactual changes at most. */
export const CHANGE_LIMIT = 4;
/** Partial changes carried on from each size to the next, and how many of them may change the same fields. */
const BEAM_WIDTH = 10;
const BEAM_SAME_FIELDS = 2;
/** Rows predicted for one search at most. */
export const PREDICTION_LIMIT = 20_000;
const BISECTIONS = 14;
/** A found change is drawn back towards the row by steps of this share of the field's spread. */
const ROUNDING_RATIO = 0.01;

type Value = string | number | boolean | null;
export type PlainRow = Readonly<Record<string, unknown>>;

export interface FoundChange {
  readonly changes: readonly { readonly field: string; readonly from: Value; readonly to: Value }[];
  readonly row: PlainRow;
  readonly distance: number;
}

export interface SearchRequest {
  readonly row: PlainRow;
  readonly ranges: readonly FieldRange[];
  readonly immutable: ReadonlySet<string>;
  readonly count: number;
  /** Rows that may be predicted; large models get fewer than PREDICTION_LIMIT. */
  readonly predictions: number;
  /** How far rows are over the wanted decision; above zero it is reached. */
  readonly score: (rows: readonly PlainRow[]) => Float64Array;
}

interface State {
  readonly row: PlainRow;
  readonly changed: readonly FieldRange[];
  readonly score: number;
}

/**
 * Changes of few fields, within what the training data holds, that lead to the wanted decision: a beam over sets of
 * fields, smallest sets first; each find is then drawn back towards the row as far as the decision allows. At most one a
 * set of fields. Sorted by number of changes, then by how far they go.
 */
export function findCounterfactuals(request: SearchRequest): FoundChange[] {
  const ranges = request.ranges.filter((range) => !request.immutable.has(range.field) && range.values.length > 0);
  let beam: State[] = [{ row: request.row, changed: [], score: request.score([request.row])[0] ?? Number.NEGATIVE_INFINITY }];
  const found = new Map<string, State>();
  let budget = Math.min(PREDICTION_LIMIT, request.predictions);
  for (let size = 1; size <= CHANGE_LIMIT && found.size < request.count && budget > 0; size += 1) {
    const rows = beam.flatMap((state) => expand(state, ranges)).slice(0, budget);
    budget -= rows.length;
    const scores = request.score(rows.map((each) => each.row));
    const states = rows.map((each, index): State => ({ ...each, score: scores[index] ?? Number.NEGATIVE_INFINITY }));
    for (const state of states) if (state.score > 0) keepNearest(found, state, request.row);
    beam = bestOf(
      states.filter((state) => state.score <= 0),
      found,
    );
  }
  return [...found.values()]
    .map((state) => describe(drawBack(state, request), request.row))
    .filter((each) => each.changes.length > 0)
    .toSorted((left, right) => left.changes.length - right.changes.length || left.distance - right.distance)
    .slice(0, request.count);
}

function expand(state: State, ranges: readonly FieldRange[]): Omit<State, 'score'>[] {
  const changed = new Set(state.changed.map((range) => range.field));
  return ranges
    .filter((range) => !changed.has(range.field))
    .flatMap((range) =>
      range.values
        .filter((value) => value !== state.row[range.field])
        .map((value) => ({ row: withValue(state.row, range.field, value), changed: [...state.changed, range] })),
    );
}

/** A row with another value. A column may be called "__proto__"; a plain assignment would then change the prototype. */
export function withValue(row: PlainRow, field: string, value: Value): PlainRow {
  const copy = { ...row };
  Object.defineProperty(copy, field, { value, enumerable: true, configurable: true, writable: true });
  return copy;
}

const keyOf = (state: Pick<State, 'changed'>) => JSON.stringify(state.changed.map((range) => range.field).toSorted());

function keepNearest(found: Map<string, State>, state: State, row: PlainRow): void {
  const key = keyOf(state);
  // A set that holds a smaller one that is enough says nothing new.
  const fields = new Set(state.changed.map((range) => range.field));
  for (const other of found.values())
    if (other.changed.length < fields.size && other.changed.every((range) => fields.has(range.field))) return;
  const before = found.get(key);
  if (!before || distanceOf(state, row) < distanceOf(before, row)) found.set(key, state);
}

/** The states nearest to the wanted decision, few of them with the same fields, none that holds an answer already. */
function bestOf(states: readonly State[], found: ReadonlyMap<string, State>): State[] {
  const taken = new Map<string, number>();
  const best: State[] = [];
  for (const state of states.toSorted((left, right) => right.score - left.score)) {
    const key = keyOf(state);
    const count = taken.get(key) ?? 0;
    if (found.has(key) || count >= BEAM_SAME_FIELDS) continue;
    taken.set(key, count + 1);
    best.push(state);
    if (best.length === BEAM_WIDTH) break;
  }
  return best;
}

/** Brings each changed number as near to the row's own as the decision allows. */
function drawBack(state: State, { row, score }: SearchRequest): State {
  let current = state;
  for (const range of state.changed) {
    const from = row[range.field];
    const to = current.row[range.field];
    if (range.kind !== 'number' || typeof to !== 'number' || typeof from !== 'number' || !Number.isFinite(from)) continue;
    let enough = to;
    let tooLittle = from;
    for (let step = 0; step < BISECTIONS; step += 1) {
      const middle = roundAway((enough + tooLittle) / 2, from, range);
      if (middle === enough || middle === tooLittle || (middle - from) * (to - from) <= 0) break;
      const reached = (score([withValue(current.row, range.field, middle)])[0] ?? -1) > 0;
      if (reached) enough = middle;
      else tooLittle = middle;
    }
    current = { ...current, row: withValue(current.row, range.field, enough) };
  }
  return current;
}

/** Rounds to a readable number, away from the row's own value. */
function roundAway(value: number, from: number, { isWhole, spread }: FieldRange): number {
  const step = isWhole ? 1 : 10 ** Math.floor(Math.log10(spread * ROUNDING_RATIO));
  const steps = value > from ? Math.ceil(value / step - 1e-9) : Math.floor(value / step + 1e-9);
  // A power of ten below 1 is not exact in binary; dividing by its inverse is.
  return step >= 1 ? steps * step : steps / Math.round(1 / step);
}

function distanceOf({ row, changed }: Pick<State, 'row' | 'changed'>, original: PlainRow): number {
  return changed.reduce((sum, range) => {
    const [from, to] = [original[range.field], row[range.field]];
    return sum + (range.kind === 'number' && typeof from === 'number' && typeof to === 'number' ? Math.abs(to - from) / range.spread : 1);
  }, 0);
}

function describe(state: State, original: PlainRow): FoundChange {
  const changes = state.changed.map((range) => ({
    field: range.field,
    from: (original[range.field] ?? null) as Value,
    to: (state.row[range.field] ?? null) as Value,
  }));
  return { changes, row: state.row, distance: distanceOf(state, original) };
}
