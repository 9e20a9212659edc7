/* oxlint-disable unicorn/no-thenable -- `then` is what a rule answers, never a function */
import { Contract, type Frame, type Json } from '@slipway/kernel';
import { NotExplainableError, TrainRequestError } from '../errors.ts';
import type { TrainerOutputs } from '../fitted-model.ts';
import type { TrainedModel, TrainRequest } from '../train.ts';
import { compileRules, type CompiledRules, describeCondition } from './compile-rules.ts';
import { RuleError } from './errors.ts';
import { exportRules, type RuleAnswers } from './export-rules.ts';
import { firstMatches, holdsOf } from './match-rules.ts';
import { type Literal, parseRules, type RuleTable } from './rule-table.ts';

/** Training rows that share of every rule starts from: as many as this, divided as all rows are, so that no share is 0 or 1. */
const PRIOR_ROWS = 1;
/** How far above the others the probability of a rule's own answer is held. */
const MARGIN = 1e-6;

/**
 * Refuses a decision table that does not fit the columns or the classes; told before any work.
 * @throws {RuleError}
 */
export function checkRules(params: Readonly<Record<string, unknown>>, contract: Contract, classes: readonly string[] | null): void {
  const table = parseRules(params);
  compileRules(table, contract);
  const nothing = { target: new Float64Array(0), classes } as const;
  if (classes) sharesOf({ ...nothing, weights: undefined }, table, new Int32Array(0));
  else numbersOf({ ...nothing, weights: undefined }, table, new Int32Array(0));
}

/** What a rule does on the training rows. */
export interface RuleFacts {
  /** Its condition in words. */
  readonly condition: string;
  readonly name: string | null;
  /** Null when the training rows decide. */
  readonly then: Literal | null;
  /** Training rows that it decides. */
  readonly rows: number;
  /** Share of those rows with its answer (classes), or their mean (numbers); null without rows. */
  readonly found: number | null;
}

export interface TrainedRules extends TrainedModel {
  readonly rules: readonly RuleFacts[];
}

/** The complete parameters of a rules trainer: what a recipe hashes. @throws {RuleError} */
export function completeRules(params: Readonly<Record<string, unknown>>): Record<string, Json> {
  return JSON.parse(JSON.stringify(parseRules(params))) as Record<string, Json>;
}

/**
 * "Trains" a decision table: its decisions stay as they were reviewed; only the probability of each comes from its
 * training rows.
 * @throws {RuleError} when the table does not fit the columns, classes or task; {TrainRequestError}
 */
export function trainRules(request: TrainRequest, params: Readonly<Record<string, unknown>>): TrainedRules {
  const startedMs = Date.now();
  request.signal?.throwIfAborted();
  if (request.constraints && Object.keys(request.constraints.monotone ?? {}).length + (request.constraints.interactions ?? []).length > 0)
    throw new TrainRequestError('Rules learn nothing that could be monotone or limited: leave out the constraints.');
  const table = parseRules(params);
  const compiled = compileRules(table, request.contract);
  const matches = firstMatches(holdsOf(compiled, request.frame), request.frame.rowCount);
  const answers: RuleAnswers = {
    classes: request.classes,
    answers: request.classes ? sharesOf(request, table, matches) : numbersOf(request, table, matches),
  };
  const bytes = exportRules(compiled, answers, request.metadata);
  const totalSeconds = (Date.now() - startedMs) / 1_000;
  const trained: Omit<TrainedRules, 'fitted'> = {
    task: request.task,
    classes: request.classes,
    trainer: 'rules',
    params: completeRules(params),
    selection: { candidate: 'given', strategy: 'fixed', folds: 0 },
    bytes,
    features: uniqueNames(table),
    interactions: [],
    contract: contractOf(request.contract, compiled),
    excluded: [],
    leaderboard: [],
    seconds: { prepare: 0, search: 0, refit: totalSeconds, total: totalSeconds },
    rules: factsOf(request, table, matches),
    predict: (frame) => predictRules(compiled, answers, frame),
  };
  return Object.defineProperty(trained as TrainedRules, 'fitted', {
    get: () => {
      throw new NotExplainableError('Rules explain themselves: they have no fitted model.');
    },
  });
}

/** The table's own predictions, without ONNX: the reference for parity. */
function predictRules(compiled: CompiledRules, { classes, answers }: RuleAnswers, frame: Frame): TrainerOutputs {
  const { rowCount } = frame;
  const masks = holdsOf(compiled, frame);
  const matches = firstMatches(masks, rowCount);
  const features = new Float32Array(rowCount * masks.length);
  masks.forEach((mask, rule) => mask.forEach((bit, row) => (features[row * masks.length + rule] = bit)));
  if (!classes)
    return { rowCount, probabilities: null, labels: null, values: Float64Array.from(matches, (rule) => answers[rule] as number), features };
  const width = classes.length;
  const probabilities = new Float32Array(rowCount * width);
  const labels = Array.from(matches, (rule, row) => {
    const shares = Float32Array.from(answers.subarray(rule * width, (rule + 1) * width));
    probabilities.set(shares, row * width);
    return classes[shares.indexOf(shares.reduce((most, share) => Math.max(most, share)))] as string;
  });
  return { rowCount, probabilities, labels, values: null, features };
}

/** Each rule's `then`, `otherwise` last. */
function answersOf(table: RuleTable): { then: Literal | undefined; probability: number | undefined; at: string }[] {
  return [
    ...table.rules.map(({ then, probability }, index) => ({ then, probability, at: `rule ${index + 1}, then` })),
    { then: table.otherwise, probability: table.otherwiseProbability, at: 'otherwise' },
  ];
}

function classIndex(classes: readonly string[], then: Literal, at: string): number {
  const index = classes.indexOf(String(then));
  if (index >= 0) return index;
  throw new RuleError(`${at}: ${JSON.stringify(then)} is no class of the target.`, {
    help: `The classes are: ${classes.slice(0, 20).join(', ')}.`,
  });
}

interface Labelled {
  readonly classes: readonly string[] | null;
  readonly target: Float64Array;
  readonly weights?: Float64Array | undefined;
}

function sharesOf({ classes, target, weights }: Labelled, table: RuleTable, matches: Int32Array): Float64Array {
  const labels = classes as readonly string[];
  const width = labels.length;
  const answers = answersOf(table);
  const sums = new Float64Array(answers.length * width);
  const all = new Float64Array(width);
  let total = 0;
  matches.forEach((rule, row) => {
    const weight = weights ? (weights[row] as number) : 1;
    const code = target[row] as number;
    sums[rule * width + code] = (sums[rule * width + code] as number) + weight;
    all[code] = (all[code] as number) + weight;
    total += weight;
  });
  answers.forEach(({ then, probability, at }, rule) => {
    const own = sums.subarray(rule * width, (rule + 1) * width);
    const rows = own.reduce((sum, each) => sum + each, 0);
    own.forEach(
      (sum, code) => (own[code] = (sum + PRIOR_ROWS * (total > 0 ? (all[code] as number) / total : 1 / width)) / (rows + PRIOR_ROWS)),
    );
    if (then === undefined) return;
    const index = classIndex(labels, then, at);
    if (probability !== undefined) giveShare(own, index, probability, at, labels);
    else holdAnswer(own, index);
  });
  return sums;
}

/** The given probability for the answer; the others share the rest as the training rows do. */
function giveShare(shares: Float64Array, index: number, probability: number, at: string, classes: readonly string[]): void {
  const rest = 1 - (shares[index] as number);
  const others = shares.map((share) => share);
  others.forEach((share, code) => (shares[code] = code === index ? probability : ((1 - probability) * share) / rest));
  if (argmax(Float32Array.from(shares)) === index) return;
  throw new RuleError(`${at}: with a probability of ${probability} the answer would not be ${JSON.stringify(classes[index])}.`, {
    help: 'Give a probability above those of the other classes, or another answer.',
  });
}

/** A rule's answer stays the likeliest class, also where its training rows say something else. */
function holdAnswer(shares: Float64Array, index: number): void {
  const most = shares.reduce((largest, share, code) => (code === index ? largest : Math.max(largest, share)), 0);
  if ((shares[index] as number) > most * (1 + MARGIN)) return;
  shares[index] = most * (1 + 4 * MARGIN);
  const total = shares.reduce((sum, share) => sum + share, 0);
  shares.forEach((share, code) => (shares[code] = share / total));
}

function argmax(values: Float32Array): number {
  return values.indexOf(values.reduce((most, value) => Math.max(most, value)));
}

function numbersOf({ target, weights }: Labelled, table: RuleTable, matches: Int32Array): Float64Array {
  const answers = answersOf(table);
  const sums = new Float64Array(answers.length);
  const totals = new Float64Array(answers.length);
  let [sum, total] = [0, 0];
  matches.forEach((rule, row) => {
    const weight = weights ? (weights[row] as number) : 1;
    sums[rule] = (sums[rule] as number) + weight * (target[row] as number);
    totals[rule] = (totals[rule] as number) + weight;
    sum += weight * (target[row] as number);
    total += weight;
  });
  return Float64Array.from(answers, ({ then, probability, at }, rule) => {
    if (probability !== undefined) throw new RuleError(`${at}: a number has no probability; leave it out.`);
    if (then === undefined) return (totals[rule] as number) > 0 ? (sums[rule] as number) / (totals[rule] as number) : sum / total;
    const number = typeof then === 'string' && then.trim() !== '' ? Number(then) : then;
    if (typeof number === 'number' && Number.isFinite(number)) return number;
    throw new RuleError(`${at}: the target is a number, and ${JSON.stringify(then)} is none.`);
  });
}

function factsOf({ classes, target }: TrainRequest, table: RuleTable, matches: Int32Array): RuleFacts[] {
  const all = answersOf(table);
  const rows = new Int32Array(all.length);
  const found = new Float64Array(all.length);
  const wanted = all.map(({ then, at }) => (classes && then !== undefined ? classIndex(classes, then, at) : -1));
  matches.forEach((rule, row) => {
    rows[rule] = (rows[rule] as number) + 1;
    const value = target[row] as number;
    found[rule] = (found[rule] as number) + (classes ? (value === wanted[rule] ? 1 : 0) : value);
  });
  return all.map(({ then }, rule): RuleFacts => {
    const own = table.rules[rule];
    const count = rows[rule] as number;
    return {
      condition: own ? describeCondition(own.when) : 'otherwise',
      name: own?.name ?? null,
      then: then ?? null,
      rows: count,
      found: count === 0 || (classes && then === undefined) ? null : (found[rule] as number) / count,
    };
  });
}

function uniqueNames(table: RuleTable): string[] {
  const seen = new Set<string>();
  return table.rules.map(({ name }, index) => {
    let own = name ?? `rule ${index + 1}`;
    while (seen.has(own)) own += '_';
    seen.add(own);
    return own;
  });
}

function contractOf(contract: Contract, { fields }: CompiledRules): Contract {
  const used = new Set(fields.map((field) => field.name));
  const ignored = contract.fields.filter((field) => !used.has(field.name) && field.role !== 'target').map((field) => field.name);
  return Contract.parse({ ...contract, fields, ignored: [...new Set([...contract.ignored, ...ignored])] });
}
