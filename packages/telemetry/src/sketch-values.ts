import { type Contract, type Json, categoryText, columnKind, isInheritedName, numberOf, type Field } from '@slipway/kernel';
import type { SketchKind, SketchValue } from '@slipway/statistics';
import { CATEGORY_LIMIT_CHARACTERS, PROBABILITY_FIELDS_LIMIT, SKETCH_FIELDS_LIMIT } from './limits.ts';

/** The answer's own sketch; an input column of that name is kept apart as `input.prediction`. */
export const PREDICTION_FIELD = 'prediction';

/** Name of the sketch of a class's probability. */
export function probabilityField(label: string): string {
  return `probability:${label}`;
}

/** Name of the sketch of an input column. */
export function inputField(name: string): string {
  return name === PREDICTION_FIELD || name.startsWith('probability:') || name.startsWith('call:') ? `input.${name}` : name;
}

/** Sketches of the calls themselves, which objectives are judged by: 1 for a failed call, its time and its price. */
export const CALL_FIELDS = { error: 'call:error', latencyMs: 'call:latencyMs', costMicros: 'call:costMicros' } as const;

/** Steps of latency: quarter octaves from a quarter of a millisecond, 63 in all, so that a sketch keeps every count exactly. */
const LATENCY_MIN_MS = 0.25;
const LATENCY_STEPS = 62;

/** The step that a latency counts as: the next larger one, at most 19 % above it; the last one (11.6 s) holds all that are longer. */
export function latencyStep(latencyMs: number): number {
  const step = Math.ceil(4 * Math.log2(Math.max(latencyMs, LATENCY_MIN_MS) / LATENCY_MIN_MS) - 1e-9);
  return LATENCY_MIN_MS * 2 ** (Math.min(step, LATENCY_STEPS) / 4);
}

/** How an input column is watched. */
export interface WatchedInput {
  readonly name: string;
  readonly isInherited: boolean;
  readonly sketch: string;
  readonly kind: SketchKind;
  readonly field: Field;
}

/**
 * The input columns of a contract that are sketched: categories as text; numbers, booleans (0/1) and times (ms) as
 * numbers. Free text and identifiers are left out: their values are personal and their distribution says nothing.
 */
export function watchedInputs(contract: Pick<Contract, 'fields'>): WatchedInput[] {
  return contract.fields
    .filter((field) => field.role === 'numeric' || field.role === 'categorical' || field.role === 'boolean' || field.role === 'time')
    .slice(0, SKETCH_FIELDS_LIMIT)
    .map((field) => ({
      name: field.name,
      isInherited: isInheritedName(field.name),
      sketch: inputField(field.name),
      kind: columnKind(field),
      field,
    }));
}

/** Called with each watched value of a call; `kind` is undefined when nothing says what the column is and it is missing. */
export type Observe = (sketch: string, kind: SketchKind | undefined, value: SketchValue) => void;

type InputRow = Readonly<Record<string, Json>>;

/** The input of a call as a row of columns; undefined when it is none. */
export function rowOf(input: Json): InputRow | undefined {
  return input === null || typeof input !== 'object' || Array.isArray(input) ? undefined : (input as InputRow);
}

/** The value of one watched column, read the same way as the training data was. */
export function valueOf({ name, isInherited, kind, field }: WatchedInput, row: InputRow): SketchValue {
  const value = isInherited && !Object.hasOwn(row, name) ? null : row[name];
  return kind === 'text' ? categoryText(value) : numberOf(field, value);
}

/** Hands over the values of an input that no contract describes. */
export function observeUnknown(input: Json, observe: Observe): void {
  const row = rowOf(input);
  if (row === undefined) return;
  let fields = 0;
  for (const name in row) {
    if (fields >= SKETCH_FIELDS_LIMIT) return;
    const value = row[name] as Json;
    if (value !== null && typeof value === 'object') continue;
    if (typeof value === 'string' && value.length > CATEGORY_LIMIT_CHARACTERS) continue;
    fields += 1;
    const kind = value === null ? undefined : typeof value === 'string' ? 'text' : 'number';
    observe(inputField(name), kind, value as SketchValue);
  }
}

/** Hands over the prediction and, with few classes, each class's probability. */
export function observeOutput(output: Json, observe: Observe): void {
  if (output === null || typeof output !== 'object' || Array.isArray(output)) return;
  const { prediction, probabilities } = output as Readonly<Record<string, Json | undefined>>;
  if (typeof prediction === 'number') observe(PREDICTION_FIELD, 'number', prediction);
  else if (typeof prediction === 'boolean') observe(PREDICTION_FIELD, 'text', String(prediction));
  else if (typeof prediction === 'string' && prediction.length <= CATEGORY_LIMIT_CHARACTERS) observe(PREDICTION_FIELD, 'text', prediction);
  if (probabilities === null || typeof probabilities !== 'object' || Array.isArray(probabilities)) return;
  const classes = Object.entries(probabilities as Readonly<Record<string, Json>>);
  if (classes.length > PROBABILITY_FIELDS_LIMIT) return;
  for (const [label, value] of classes) if (typeof value === 'number') observe(probabilityField(label), 'number', value);
}
