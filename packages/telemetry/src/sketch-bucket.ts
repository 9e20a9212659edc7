import type { Invocation, Json } from '@slipway/kernel';
import { FieldSketch, type SketchKind, type SketchValue } from '@slipway/statistics';
import { CALL_FIELDS, latencyStep, observeOutput, observeUnknown, rowOf, valueOf, type WatchedInput } from './sketch-values.ts';

/** Values of a field that wait to be counted together: many at once cost a tenth of one by one (`bench/sketch-update.ts`). */
const WAITING_VALUES_LIMIT = 256;
/** Where waiting numbers are laid side by side; only used within one call. */
const scratch = new Float64Array(WAITING_VALUES_LIMIT);

/** A field's sketch with the numbers that wait for it. */
class WatchedField {
  readonly #sketch: FieldSketch;
  readonly #waiting: number[] = [];

  constructor(sketch: FieldSketch) {
    this.#sketch = sketch;
  }

  count(value: SketchValue): void {
    if (typeof value !== 'number' || this.#sketch.kind !== 'number') return this.#sketch.update(value);
    this.#waiting.push(value);
    if (this.#waiting.length === WAITING_VALUES_LIMIT) this.settle();
  }

  /** The sketch with everything that was counted. */
  settle(): FieldSketch {
    const { length } = this.#waiting;
    for (let index = 0; index < length; index += 1) scratch[index] = this.#waiting[index] as number;
    this.#waiting.length = 0;
    if (length > 0) this.#sketch.updateMany(scratch.subarray(0, length));
    return this.#sketch;
  }
}

/** Sketches of one revision in one minute of event time. */
export class SketchBucket {
  readonly release: string;
  readonly revision: number;
  readonly startMs: number;
  readonly #fields = new Map<string, WatchedField>();
  /** Missing values of columns that nothing has said the kind of yet. */
  readonly #undecided = new Map<string, number>();
  readonly #count = (field: string, kind: SketchKind | undefined, value: SketchValue): void => this.#countValue(field, kind, value);
  /** The fields of these inputs in their order, so that a call needs no look-up by name. */
  #inputs: readonly WatchedInput[] | undefined;
  #inputFields: readonly WatchedField[] = [];
  #callFields: readonly [WatchedField, WatchedField, WatchedField] | undefined;

  constructor({ release, revision, startMs }: { readonly release: string; readonly revision: number; readonly startMs: number }) {
    this.release = release;
    this.revision = revision;
    this.startMs = startMs;
  }

  /** Counts one call that has ended: a failed one has an input and no answer. */
  observe(call: Invocation, inputs: readonly WatchedInput[] | undefined): void {
    if (inputs === undefined) observeUnknown(call.input, this.#count);
    else this.#countInputs(inputs, call.input);
    if (call.status === 'ok') observeOutput(call.output, this.#count);
    this.#countCall(call);
  }

  /** The sketches by field, with every call until now. */
  *sketches(): Generator<[field: string, sketch: FieldSketch]> {
    for (const [name, field] of this.#fields) yield [name, field.settle()];
  }

  #countInputs(inputs: readonly WatchedInput[], input: Json): void {
    const row = rowOf(input);
    if (row === undefined) return;
    if (this.#inputs !== inputs) {
      this.#inputs = inputs;
      this.#inputFields = inputs.map(({ sketch, kind }) => this.#fieldOf(sketch, kind));
    }
    const fields = this.#inputFields;
    for (let index = 0; index < inputs.length; index += 1)
      (fields[index] as WatchedField).count(valueOf(inputs[index] as WatchedInput, row));
  }

  #countCall(call: Invocation): void {
    this.#callFields ??= [
      this.#fieldOf(CALL_FIELDS.error, 'number'),
      this.#fieldOf(CALL_FIELDS.latencyMs, 'number'),
      this.#fieldOf(CALL_FIELDS.costMicros, 'number'),
    ];
    const [errors, latencies, costs] = this.#callFields;
    errors.count(call.status === 'error' ? 1 : 0);
    latencies.count(latencyStep(call.latencyMs));
    costs.count(call.costMicros);
  }

  #countValue(field: string, kind: SketchKind | undefined, value: SketchValue): void {
    if (kind === undefined && !this.#fields.has(field)) this.#undecided.set(field, (this.#undecided.get(field) ?? 0) + 1);
    // Without a kind the field is there, and its own kind stays.
    else this.#fieldOf(field, kind ?? 'number').count(value);
  }

  #fieldOf(name: string, kind: SketchKind): WatchedField {
    const found = this.#fields.get(name);
    if (found !== undefined) return found;
    const sketch = new FieldSketch(kind);
    const missing = this.#undecided.get(name);
    if (missing !== undefined) sketch.update(null, missing);
    const field = new WatchedField(sketch);
    this.#fields.set(name, field);
    return field;
  }
}
