import { type Column, columnKind, type Contract, type Field, type Frame, INPUT_ROLES, invariant } from '@slipway/kernel';
import { NoFeatureError } from './errors.ts';
import type { EncodedFeature, EncodedMatrix } from './matrix.ts';
import { calendarCode, type CalendarPart, CALENDAR_SIZES } from './calendar.ts';
import type { Supervision } from './supervision.ts';
import { fitStatistic, STATISTIC_CLASS_LIMIT, STATISTIC_LEVELS_MIN, type TargetStatistic } from './target-statistics.ts';
import { saysMore } from './text/count-evidence.ts';
import { COUNTED_PARTS, type CountedPart } from './text/tokens.ts';
import { countTexts, fitText, scoreTexts, type TextEncoder } from './text/text-encoder.ts';

/** Code of a missing category. */
export const MISSING_CODE = 0;
/** Code of rare and unseen categories. */
export const OTHER_CODE = 1;
/** First code of the levels a feature keeps. */
export const FIRST_LEVEL_CODE = 2;
/** Levels one categorical feature keeps, most frequent first; codes must fit a histogram's 256 bins. */
export const LEVEL_LIMIT = 253;
/** A level seen on fewer training rows becomes `other` (on small tables the bound falls to 2). */
const RARE_LEVEL_ROWS = 5;

export const DAY_MS = 86_400_000;

/** float32(value - shift), subtracted in double. */
export interface NumberPlan {
  readonly kind: 'number';
  readonly name: string;
  readonly field: string;
  readonly shift: number;
}

/** float32(days since the reference), or float32(days into the period) for a calendar part. */
export interface TimePlan {
  readonly kind: 'time';
  readonly name: string;
  readonly field: string;
  readonly referenceMs: number;
  /** 0 = elapsed time without period. */
  readonly periodMs: number;
}

/** Code of a level: FIRST_LEVEL_CODE + its position, OTHER_CODE when unknown, MISSING_CODE when empty. */
export interface CategoryPlan {
  readonly kind: 'category';
  readonly name: string;
  readonly field: string;
  readonly levels: readonly string[];
}

/** float32 mean target of a level, smoothed; out of fold for training rows. */
export interface StatisticPlan extends TargetStatistic {
  readonly kind: 'statistic';
  readonly name: string;
  readonly field: string;
}

/** One score of the field's text encoder. */
export interface TextScorePlan {
  readonly kind: 'textScore';
  readonly name: string;
  readonly field: string;
  readonly output: number;
}

/** How many words, digits or capitals a text has. */
export interface TextCountPlan {
  readonly kind: 'textCount';
  readonly name: string;
  readonly field: string;
  readonly part: CountedPart;
  /** float32 of the square root of the count, as counts vary by; absent in older models, which have the count itself. */
  readonly isRoot?: boolean;
}

/** Code of a calendar part: FIRST_LEVEL_CODE + hour (0..23), weekday (0 = Monday) or month (0 = January); MISSING_CODE. */
export interface CalendarPlan {
  readonly kind: 'calendar';
  readonly name: string;
  readonly field: string;
  readonly part: CalendarPart;
}

export type FeaturePlan = NumberPlan | TimePlan | CalendarPlan | CategoryPlan | StatisticPlan | TextScorePlan | TextCountPlan;

/** Why a field of the contract feeds no feature. */
export interface ExcludedField {
  readonly field: string;
  /** `elapsed time`: the only thing it says is how much time has passed, and that says nothing about later rows. */
  readonly reason: 'role' | 'text' | 'constant' | 'absent' | 'elapsed time';
}

/** How raw columns become features. Fitted on training rows only; plain JSON; the exported graph does exactly this. */
export interface Preparation {
  readonly features: readonly FeaturePlan[];
  readonly excluded: readonly ExcludedField[];
  /** Encoders of the fields that have text scores. */
  readonly texts?: readonly TextEncoder[];
}

/** Periods whose parts are added when the training times differ within them. References are Thursday, 1 January 1970 and a Monday. */
const CALENDAR_PARTS = [
  { part: 'dayTime', periodMs: DAY_MS, referenceMs: 0 },
  { part: 'weekTime', periodMs: 7 * DAY_MS, referenceMs: 4 * DAY_MS },
  { part: 'yearTime', periodMs: 365.2425 * DAY_MS, referenceMs: 0 },
] as const;

/** A preparation, and the values of target-aware features that training rows must have instead of the encoder's own. */
export interface FittedPreparation {
  readonly preparation: Preparation;
  /** Out-of-fold values by name of the feature. */
  readonly outOfFold: ReadonlyMap<string, Float64Array>;
}

/**
 * Fits what needs no target: text gives its counts only.
 * @throws {NoFeatureError} when no field can feed a trainer.
 */
export function fitPreparation(contract: Contract, frame: Frame): Preparation {
  return fitSupervised(contract, frame, undefined).preparation;
}

/**
 * Fits the preparation of a contract's input fields on the training rows, the target-aware encodings included.
 * @throws {NoFeatureError} when no field can feed a trainer.
 */
export function fitSupervised(contract: Contract, frame: Frame, supervision: Supervision | undefined): FittedPreparation {
  const features: FeaturePlan[] = [];
  const excluded: ExcludedField[] = [];
  const texts: TextEncoder[] = [];
  const values = new Map<FeaturePlan, Float64Array>();
  for (const field of contract.fields) {
    const fitted = fitField(field, frame, supervision);
    if (typeof fitted === 'string') {
      excluded.push({ field: field.name, reason: fitted });
      continue;
    }
    features.push(...fitted.plans);
    fitted.outOfFold?.forEach((each, plan) => values.set(plan, each));
    if (fitted.encoder) texts.push(fitted.encoder);
  }
  if (features.length === 0) {
    throw new NoFeatureError('No column is left to learn from: every one is excluded, constant, without words or an identifier.', {
      details: { excluded: excluded.map(({ field, reason }) => `${field}: ${reason}`) },
      help: 'Check the roles of the columns, for example with --as column=numeric or --as column=categorical.',
    });
  }
  const named = withUniqueNames(features);
  const outOfFold = new Map<string, Float64Array>();
  features.forEach((plan, at) => {
    const own = values.get(plan);
    if (own) outOfFold.set((named[at] as FeaturePlan).name, own);
  });
  return { preparation: { features: named, excluded, texts }, outOfFold };
}

interface FittedField {
  readonly plans: readonly FeaturePlan[];
  readonly encoder?: TextEncoder;
  /** Values of training rows for target-aware features. */
  readonly outOfFold?: ReadonlyMap<FeaturePlan, Float64Array>;
}

function fitField(field: Field, frame: Frame, supervision: Supervision | undefined): FittedField | ExcludedField['reason'] {
  const column = frame.columns.get(field.name);
  if (INPUT_ROLES.has(field.role) && field.role === 'text' && column) return fitTextField(field.name, column, supervision);
  const plans = planField(field, column, frame.rowCount);
  if (typeof plans === 'string' || !column || !supervision) return typeof plans === 'string' ? plans : { plans };
  const statistics = plans[0]?.kind === 'category' ? fitStatistics(field.name, column, supervision) : undefined;
  return statistics ? { plans: [...plans, ...statistics.keys()], outOfFold: statistics } : { plans };
}

/** Mean targets, for categories of so many levels that trainers cannot learn each. */
function fitStatistics(field: string, column: Column, supervision: Supervision): Map<FeaturePlan, Float64Array> | undefined {
  invariant(column.kind === 'text', `column ${field} holds text, as its field says`);
  const levelsInUse = new Set(column.codes).size;
  if (levelsInUse < STATISTIC_LEVELS_MIN || supervision.outputCount > STATISTIC_CLASS_LIMIT) return undefined;
  const empty = column.levels.indexOf('');
  const codes = empty < 0 ? column.codes : column.codes.map((code) => (code === empty ? -1 : code));
  const { statistics, scores } = fitStatistic(codes, column.levels, supervision);
  return new Map(
    statistics.map((statistic, output): [FeaturePlan, Float64Array] => [
      { kind: 'statistic', name: `${field}.${outputName('mean', output, supervision)}`, field, ...statistic },
      everyNth(scores, output, supervision.outputCount),
    ]),
  );
}

/** The scores of the text when it says anything about the target, and the counts that say more than these, or all. */
function fitTextField(field: string, column: Column, supervision: Supervision | undefined): FittedField | 'text' {
  invariant(column.kind === 'text', `column ${field} holds text, as its field says`);
  const used = new Set(column.codes);
  const present = column.levels.filter((_, code) => used.has(code));
  const parts = COUNTED_PARTS.filter((part) => !isConstant(countTexts(part, used.has(-1) ? [...present, ''] : present)));
  const fitted = supervision && fitText(field, column, supervision);
  const counts = parts
    .map((part): TextCountPlan => ({ kind: 'textCount', name: `${field}.${part}`, field, part, isRoot: true }))
    .filter((plan) => !fitted || saysMore(Float64Array.from(encodeCount(plan, column)), fitted.scores, supervision));
  if (!fitted) return counts.length === 0 ? 'text' : { plans: counts };
  const { outputCount } = supervision;
  const outOfFold = new Map<FeaturePlan, Float64Array>();
  for (let output = 0; output < outputCount; output += 1) {
    const plan: FeaturePlan = { kind: 'textScore', name: `${field}.${outputName('score', output, supervision)}`, field, output };
    outOfFold.set(plan, everyNth(fitted.scores, output, outputCount));
  }
  return { plans: [...outOfFold.keys(), ...counts], encoder: fitted.encoder, outOfFold };
}

function outputName(part: string, output: number, { outputCount, classes }: Supervision): string {
  return outputCount === 1 ? part : `${part}.${classes?.[output] ?? output}`;
}

function everyNth(values: Float64Array, first: number, step: number): Float64Array {
  return Float64Array.from({ length: values.length / step }, (_, row) => values[row * step + first] as number);
}

function planField(field: Field, column: Column | undefined, rowCount: number): FeaturePlan[] | ExcludedField['reason'] {
  if (!INPUT_ROLES.has(field.role)) return 'role';
  if (!column) return 'absent';
  const { name } = field;
  if (columnKind(field) === 'text') return planCategory(name, column, rowCount);
  invariant(column.kind === 'number', `column ${name} holds numbers, as its field says`);
  if (isConstant(column.values)) return 'constant';
  if (field.role === 'time') return planTime(name, column.values);
  return [{ kind: 'number', name, field: name, shift: planShift(column.values) }];
}

function isConstant(values: Float64Array): boolean {
  const first = values[0] ?? Number.NaN;
  return values.every((value) => Object.is(value, first) || value === first);
}

function planCategory(name: string, column: Column, rowCount: number): FeaturePlan[] | 'constant' {
  invariant(column.kind === 'text', `column ${name} holds text, as its field says`);
  const counts = new Int32Array(column.levels.length);
  let missing = 0;
  for (const code of column.codes) {
    // An empty text is a missing one: the graph's string tensors cannot tell them apart.
    if (code < 0 || column.levels[code] === '') missing += 1;
    else counts[code] = (counts[code] as number) + 1;
  }
  const rare = Math.max(2, Math.min(RARE_LEVEL_ROWS, Math.floor(rowCount / 200)));
  const kept = [...counts.keys()].filter((code) => (counts[code] as number) >= rare);
  const byFrequency = kept.toSorted((left, right) => (counts[right] as number) - (counts[left] as number) || left - right);
  const levels = byFrequency.slice(0, LEVEL_LIMIT).map((code) => column.levels[code] as string);
  const keptRows = byFrequency.slice(0, LEVEL_LIMIT).reduce((sum, code) => sum + (counts[code] as number), 0);
  const groups = levels.length + (missing > 0 ? 1 : 0) + (keptRows + missing < rowCount ? 1 : 0);
  return groups < 2 ? 'constant' : [{ kind: 'category', name, field: name, levels }];
}

function planTime(name: string, values: Float64Array): FeaturePlan[] {
  const referenceMs = Math.floor(smallest(values));
  const elapsed: TimePlan = { kind: 'time', name, field: name, referenceMs, periodMs: 0 };
  const parts = CALENDAR_PARTS.filter((part) => variesWithin(values, part.periodMs, part.referenceMs)).map((part): TimePlan => ({
    kind: 'time',
    name: `${name}.${part.part}`,
    field: name,
    referenceMs: part.referenceMs,
    periodMs: part.periodMs,
  }));
  const calendar = (Object.keys(CALENDAR_SIZES) as CalendarPart[])
    .filter((part) => variesBy(values, part))
    .map((part): CalendarPlan => ({ kind: 'calendar', name: `${name}.${part}`, field: name, part }));
  return [elapsed, ...parts, ...calendar];
}

/** Whether a calendar part was seen at every second of its values or more, and the times reach beyond one round of it. */
function variesBy(values: Float64Array, part: CalendarPart): boolean {
  const seen = new Set<number>();
  for (const value of values) if (value === value) seen.add(calendarCode(part, value));
  const first = smallest(values);
  const span = values.reduce((most, value) => (value - first > most ? value - first : most), 0);
  return seen.size > 1 && span >= CALENDAR_SIZES[part].roundMs && 2 * seen.size >= CALENDAR_SIZES[part].count;
}

/** Whether the times span the period several times over and lie at different moments within it. */
function variesWithin(values: Float64Array, periodMs: number, referenceMs: number): boolean {
  const first = smallest(values);
  const span = values.reduce((most, value) => (value - first > most ? value - first : most), 0);
  if (span < 2 * periodMs) return false;
  const moments = new Set<number>();
  for (const value of values) {
    if (value === value) moments.add(modulo(value - referenceMs, periodMs));
    if (moments.size > 1) return true;
  }
  return false;
}

function smallest(values: Float64Array): number {
  return values.reduce((least, value) => (value < least ? value : least), Number.POSITIVE_INFINITY);
}

/** Remainder with the sign of the divisor, as ONNX's Mod on integers; never -0, which integers do not have. */
export function modulo(value: number, period: number): number {
  const rest = value % period;
  return rest < 0 ? rest + period : rest + 0;
}

/** Distinct values looked at to decide whether float32 keeps them apart. */
const SHIFT_SAMPLE_LIMIT = 20_000;
/** A share of distinct values lost to float32 below this is harmless. */
const LOST_RATIO_MAX = 0.001;

/** Zero, unless float32 would merge values that lie far from zero and close together (times, years with fractions, ids). */
function planShift(values: Float64Array): number {
  const stride = Math.max(1, Math.ceil(values.length / SHIFT_SAMPLE_LIMIT));
  const distinct = new Set<number>();
  for (let row = 0; row < values.length; row += stride) {
    const value = values[row] as number;
    if (Number.isFinite(value)) distinct.add(value);
  }
  const lostWith = (shift: number) => {
    const rounded = new Set<number>();
    for (const value of distinct) rounded.add(Math.fround(value - shift));
    return distinct.size - rounded.size;
  };
  const lost = lostWith(0);
  if (lost <= distinct.size * LOST_RATIO_MAX) return 0;
  const shift = smallest(values);
  return Number.isFinite(shift) && lostWith(shift) < lost / 2 ? shift : 0;
}

/** A calendar part may meet a column of the same name. */
function withUniqueNames(plans: readonly FeaturePlan[]): FeaturePlan[] {
  const taken = new Set(plans.filter((plan) => plan.name === plan.field).map((plan) => plan.name));
  return plans.map((plan) => {
    if (plan.name === plan.field) return plan;
    let { name } = plan;
    while (taken.has(name)) name += '_';
    taken.add(name);
    return { ...plan, name };
  });
}

/** What the trainers are told about each feature. */
function describeFeatures(preparation: Preparation): EncodedFeature[] {
  const outputs = new Map(preparation.texts?.map((encoder) => [encoder.field, encoder.outputCount]));
  return preparation.features.map((plan): EncodedFeature => {
    const { name, field } = plan;
    if (plan.kind === 'category') return { name, field, kind: 'categorical', codeCount: FIRST_LEVEL_CODE + plan.levels.length };
    if (plan.kind === 'calendar')
      return { name, field, kind: 'categorical', codeCount: FIRST_LEVEL_CODE + CALENDAR_SIZES[plan.part].count };
    const isClassScore = plan.kind === 'textScore' && (outputs.get(field) ?? 1) > 1;
    return { name, field, kind: 'numeric', codeCount: 0, ...(isClassScore ? { output: plan.output } : {}) };
  });
}

/** Fields whose columns the model reads, in the order of the contract. */
export function usedFields(preparation: Preparation): string[] {
  return [...new Set(preparation.features.map((plan) => plan.field))];
}

/** Encodes the training rows: as `encodeFrame`, but target-aware features have their out-of-fold values. */
export function encodeTraining(
  { preparation, outOfFold }: FittedPreparation,
  frame: Frame,
  allocate?: (length: number) => Float32Array,
): EncodedMatrix {
  return encodeWith(preparation, frame, outOfFold, allocate);
}

/**
 * Encodes a frame: the same double arithmetic and the same rounding to float32 as the graph, bit for bit.
 * @param allocate where the columns live, for example in shared memory.
 */
export function encodeFrame(preparation: Preparation, frame: Frame, allocate?: (length: number) => Float32Array): EncodedMatrix {
  return encodeWith(preparation, frame, new Map(), allocate);
}

function encodeWith(
  preparation: Preparation,
  frame: Frame,
  outOfFold: ReadonlyMap<string, Float64Array>,
  allocate: (length: number) => Float32Array = (length) => new Float32Array(length),
): EncodedMatrix {
  const scores = new Map<string, Float64Array>();
  const columns = preparation.features.map((plan) => {
    const column = frame.columns.get(plan.field);
    invariant(column, `the frame has the column ${plan.field} the model was trained with`);
    const encoded = allocate(frame.rowCount);
    const own = outOfFold.get(plan.name);
    if (own) encoded.set(own);
    else if (plan.kind === 'category' || plan.kind === 'statistic') encodeCategory(plan, column, encoded);
    else if (plan.kind === 'textScore') encodeScore(plan, preparation, { column, scores }, encoded);
    else if (plan.kind === 'textCount') encodeCount(plan, column, encoded);
    else if (plan.kind === 'calendar') encodeCalendar(plan, column, encoded);
    else encodeNumber(plan, column, encoded);
    return encoded;
  });
  return { rowCount: frame.rowCount, features: describeFeatures(preparation), columns };
}

function encodeNumber(plan: NumberPlan | TimePlan, column: Column, encoded: Float32Array): void {
  invariant(column.kind === 'number', `column ${plan.field} holds numbers, as in training`);
  const { values } = column;
  if (plan.kind === 'number') {
    // Storing in a Float32Array rounds exactly as ONNX's Cast from double to float does.
    for (let row = 0; row < values.length; row += 1) encoded[row] = (values[row] as number) - plan.shift;
    return;
  }
  for (let row = 0; row < values.length; row += 1) {
    const sinceMs = (values[row] as number) - plan.referenceMs + 0;
    encoded[row] = (plan.periodMs === 0 ? sinceMs : modulo(sinceMs, plan.periodMs)) / DAY_MS;
  }
}

function encodeCalendar(plan: CalendarPlan, column: Column, encoded: Float32Array): void {
  invariant(column.kind === 'number', `column ${plan.field} holds times, as in training`);
  column.values.forEach((value, row) => {
    encoded[row] = value === value ? FIRST_LEVEL_CODE + calendarCode(plan.part, value) : MISSING_CODE;
  });
}

function encodeCategory(plan: CategoryPlan | StatisticPlan, column: Column, encoded: Float32Array): void {
  const values = plan.kind === 'category' ? plan.levels.map((_, index) => FIRST_LEVEL_CODE + index) : plan.values;
  const [missing, otherwise] = plan.kind === 'category' ? [MISSING_CODE, OTHER_CODE] : [plan.missing, plan.otherwise];
  const byLevel = new Map(plan.levels.map((level, index) => [level, values[index] as number]));
  const valueOf = (level: string) => (level === '' ? missing : (byLevel.get(level) ?? otherwise));
  encodeLevels(column, encoded, (levels) => Float64Array.from(levels, valueOf), missing);
}

function encodeCount(
  { part, isRoot }: TextCountPlan,
  column: Column,
  encoded: Float32Array = new Float32Array(codesOf(column).length),
): Float32Array {
  encodeLevels(column, encoded, (levels) => (isRoot ? countTexts(part, levels).map(Math.sqrt) : countTexts(part, levels)), 0);
  return encoded;
}

function codesOf(column: Column): Int32Array {
  invariant(column.kind === 'text', 'a column of categories or text holds text, as in training');
  return column.codes;
}

interface Scored {
  readonly column: Column;
  /** Scores of the column's levels by field, made once for all its features. */
  readonly scores: Map<string, Float64Array>;
}

function encodeScore(plan: TextScorePlan, preparation: Preparation, { column, scores }: Scored, encoded: Float32Array): void {
  const encoder = preparation.texts?.find((each) => each.field === plan.field);
  invariant(encoder, `the text column ${plan.field} has an encoder`);
  const { outputCount } = encoder;
  encodeLevels(
    column,
    encoded,
    (levels) => {
      let all = scores.get(plan.field);
      if (!all) scores.set(plan.field, (all = scoreTexts(encoder, levels)));
      return everyNth(all, plan.output, outputCount);
    },
    encoder.intercepts[plan.output] as number,
  );
}

/** Encodes a text column by what each of its levels is worth. */
function encodeLevels(column: Column, encoded: Float32Array, valuesOf: (levels: readonly string[]) => Float64Array, missing: number): void {
  const codes = codesOf(column);
  const values = valuesOf(column.kind === 'text' ? column.levels : []);
  for (let row = 0; row < encoded.length; row += 1) {
    const code = codes[row] as number;
    encoded[row] = code < 0 ? missing : (values[code] as number);
  }
}
