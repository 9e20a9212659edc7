import { createRandom } from '@slipway/statistics';
import type { Supervision } from '../supervision.ts';
import { fitHeads } from './fit-heads.ts';
import { fitHead, type HeadLoss, headLosses, headMargins, type HeadRequest, type SparseRows } from './head.ts';
import { arrivingText, type CountedPart, countPart, tokensOf } from './tokens.ts';
import { type Corpus, fitVocabulary, GRAM_LIMIT, GramFinder, type Vocabulary } from './vocabulary.ts';

/**
 * What turns a text into scores: each known word and pair of words counts once, weighted by its inverse frequency, the
 * whole normalised to length one, then a linear head; one score per class, or one. Plain data.
 */
export interface TextEncoder {
  readonly field: string;
  readonly vocabulary: Vocabulary;
  readonly outputCount: number;
  /** [grams × outputs] head weight times inverse frequency; multiples of GRID, so that sums are exact in any order. */
  readonly weights: Float32Array;
  /** Squared inverse frequency of each gram, multiples of GRID. */
  readonly squares: Float32Array;
  readonly intercepts: Float64Array;
}

/** A text column to learn from. */
export interface TextColumn {
  readonly codes: Int32Array;
  readonly levels: readonly string[];
}

/** A fitted encoder and the scores [rows × outputs] each training row has from encoders that did not see its target. */
export interface FittedText {
  readonly encoder: TextEncoder;
  readonly scores: Float64Array;
}

/** Weights are multiples of this; sums of fewer than 2^36 of them below 2^15 are exact in double. */
const GRID = 2 ** -16;
const onGrid = (value: number) => Math.fround(Math.round(value / GRID) * GRID);
/** Weights of one encoder at most; what a model file and a call can bear. */
const WEIGHT_LIMIT = 2_000_000;
const FOLD_COUNT = 5;
/** 1 / (strength · rows), weakest penalty last: scikit-learn's C. */
const FREEDOMS = [0.1, 0.5, 2, 8, 32, 128] as const;
/** Above this many products a pass, fewer strengths are tried, and on fewer folds. */
const LARGE_PASS = 4_000_000;
const LARGE_FREEDOMS = [2, 8, 32] as const;
const LARGE_TRIAL_FOLDS = 1;
/** Standard errors by which scores must lower the loss to become features. */
const ERRORS_MIN = 2;

/**
 * Learns the vocabulary of a column and a head for the target.
 * @returns undefined when the texts say nothing about the target: the scores of held-out rows are no better than none.
 */
export function fitText(field: string, column: TextColumn, supervision: Supervision): FittedText | undefined {
  const corpus = corpusOf(column);
  const { outputCount } = supervision;
  const vocabulary = fitVocabulary(corpus, Math.min(GRAM_LIMIT, Math.floor(WEIGHT_LIMIT / outputCount)));
  if (vocabulary.gramCount === 0) return undefined;
  const matrix = gramMatrix(vocabulary, column, corpus.texts);
  const trainer = new HeadTrainer(matrix, supervision, assignFolds(column, supervision));
  const found = trainer.run();
  if (!found) return undefined;
  return { encoder: encoderOf(field, vocabulary, found.head, outputCount), scores: found.scores };
}

function corpusOf({ codes, levels }: TextColumn): Corpus {
  const rows = new Int32Array(levels.length);
  for (const code of codes) if (code >= 0) rows[code] = (rows[code] as number) + 1;
  return { texts: levels, rows };
}

/** log((1 + rows) / (1 + rows with the gram)) + 1, as scikit-learn's. */
function inverseFrequencies({ rowCounts, corpusRows }: Vocabulary): Float64Array {
  return Float64Array.from(rowCounts, (rows) => Math.log((1 + corpusRows) / (1 + rows)) + 1);
}

/** One sparse row per row of the frame; rows of equal texts are made once. */
function gramMatrix(vocabulary: Vocabulary, { codes }: TextColumn, texts: readonly string[]): SparseRows {
  const finder = new GramFinder(vocabulary);
  const frequencies = inverseFrequencies(vocabulary);
  const byText: (number[] | undefined)[] = Array.from({ length: texts.length });
  const starts = new Int32Array(codes.length + 1);
  codes.forEach((code, row) => {
    const grams = code < 0 ? [] : (byText[code] ??= finder.gramsOf(tokensOf(texts[code] as string)));
    starts[row + 1] = (starts[row] as number) + grams.length;
  });
  const columns = new Int32Array(starts[codes.length] as number);
  const values = new Float64Array(columns.length);
  codes.forEach((code, row) => {
    const grams = code < 0 ? [] : (byText[code] ?? []);
    const norm = Math.sqrt(grams.reduce((sum, gram) => sum + (frequencies[gram] as number) ** 2, 0));
    grams.forEach((gram, at) => {
      columns[(starts[row] as number) + at] = gram;
      values[(starts[row] as number) + at] = (frequencies[gram] as number) / norm;
    });
  });
  return { rowCount: codes.length, width: vocabulary.gramCount, starts, columns, values };
}

/** The part of each row. Equal texts go together when texts repeat little, so that a copy does not tell the answer. */
function assignFolds({ codes, levels }: TextColumn, { target, outputCount, task, seed }: Supervision): Uint8Array {
  const random = createRandom(`${seed}/text`);
  const parts = new Uint8Array(codes.length);
  const order = random.shuffle(Int32Array.from(codes, (_, row) => row));
  if (task !== 'regression' && outputCount > 0) order.sort((left, right) => (target[left] as number) - (target[right] as number));
  const together = levels.length >= codes.length / 2;
  const partOfText = new Int8Array(levels.length).fill(-1);
  order.forEach((row, position) => {
    const code = codes[row] as number;
    const given = together && code >= 0 ? (partOfText[code] as number) : -1;
    const part = given >= 0 ? given : position % FOLD_COUNT;
    if (code >= 0) partOfText[code] = part;
    parts[row] = part;
  });
  return parts;
}

class HeadTrainer {
  readonly #matrix: SparseRows;
  readonly #supervision: Supervision;
  readonly #loss: HeadLoss;
  readonly #train: Int32Array[];
  readonly #test: Int32Array[];

  constructor(matrix: SparseRows, supervision: Supervision, parts: Uint8Array) {
    this.#matrix = matrix;
    this.#supervision = supervision;
    this.#loss = supervision.task === 'binary' || supervision.task === 'multiclass' ? supervision.task : 'squared';
    const rows = Int32Array.from(parts, (_, row) => row);
    this.#train = Array.from({ length: FOLD_COUNT }, (_, part) => rows.filter((row) => parts[row] !== part));
    this.#test = Array.from({ length: FOLD_COUNT }, (_, part) => rows.filter((row) => parts[row] === part));
  }

  run(): { head: Float64Array; scores: Float64Array } | undefined {
    const { outputCount } = this.#supervision;
    const isLarge = this.#matrix.columns.length * outputCount > LARGE_PASS;
    const freedoms = isLarge ? LARGE_FREEDOMS : FREEDOMS;
    const trials = isLarge ? LARGE_TRIAL_FOLDS : FOLD_COUNT;
    const { threads = 1 } = this.#supervision;
    let heads: Float64Array[] = [];
    let best: Trial | undefined;
    for (const freedom of freedoms) {
      const starts = heads;
      const requests = this.#train.slice(0, trials).map((rows, fold) => this.#request(rows, freedom, starts[fold]));
      heads = fitHeads(requests, threads);
      const losses = this.#heldOutLosses(this.#matrix, heads, trials);
      if (best && meanOf(losses) >= meanOf(best.losses)) break;
      best = { losses, freedom, heads };
    }
    if (!best || !isBetter(best.losses, this.#priorLosses(trials))) return undefined;
    const { freedom, heads: known } = best;
    const all = Int32Array.from({ length: this.#matrix.rowCount }, (_, row) => row);
    const missing = this.#train.slice(known.length).map((rows) => this.#request(rows, freedom, undefined));
    const [head, ...rest] = fitHeads([this.#request(all, freedom, known[0]), ...missing], threads);
    const scores = new Float64Array(this.#matrix.rowCount * outputCount);
    [...known, ...rest].forEach((each, fold) => this.#writeScores(scores, fold, each));
    return { head: head as Float64Array, scores };
  }

  #request(rows: Int32Array, freedom: number, start: Float64Array | undefined): HeadRequest {
    const { outputCount, target, weights } = this.#supervision;
    const strength = 1 / (freedom * Math.max(1, rows.length));
    return { loss: this.#loss, outputCount, matrix: this.#matrix, target, weights, rows, strength, start };
  }

  #writeScores(scores: Float64Array, fold: number, head: Float64Array): void {
    const { outputCount } = this.#supervision;
    const rows = this.#test[fold] as Int32Array;
    const margins = headMargins(this.#matrix, head, outputCount, rows);
    rows.forEach((row, index) => scores.set(margins.subarray(index * outputCount, (index + 1) * outputCount), row * outputCount));
  }

  /** Losses of the rows of the first folds, fold by fold. */
  #heldOutLosses(matrix: SparseRows, heads: readonly Float64Array[], trials: number): Float64Array {
    const { outputCount, target } = this.#supervision;
    const losses = this.#test.slice(0, trials).map((rows, fold) => {
      const margins = headMargins(matrix, heads[fold] as Float64Array, outputCount, rows);
      return headLosses({ loss: this.#loss, outputCount, target }, margins, rows);
    });
    return Float64Array.from(losses.flatMap((each) => [...each]));
  }

  /** The losses of the same rows without any text: intercepts only. */
  #priorLosses(trials: number): Float64Array {
    const empty: SparseRows = { ...this.#matrix, width: 0, starts: new Int32Array(this.#matrix.rowCount + 1) };
    const { outputCount, target, weights } = this.#supervision;
    const heads = this.#train
      .slice(0, trials)
      .map((rows) => fitHead({ loss: this.#loss, outputCount, target, weights, matrix: empty, rows, strength: 1 }));
    return this.#heldOutLosses(empty, heads, trials);
  }
}

interface Trial {
  readonly losses: Float64Array;
  readonly freedom: number;
  readonly heads: readonly Float64Array[];
}

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Whether losses are lower than others of the same rows by more than their difference's standard errors. */
function isBetter(losses: Float64Array, others: Float64Array): boolean {
  const gains = others.map((other, index) => other - (losses[index] as number));
  const mean = meanOf(gains);
  const variance = meanOf(gains.map((gain) => (gain - mean) ** 2));
  return mean > ERRORS_MIN * Math.sqrt(variance / gains.length);
}

function encoderOf(field: string, vocabulary: Vocabulary, head: Float64Array, outputCount: number): TextEncoder {
  const frequencies = inverseFrequencies(vocabulary);
  const { gramCount } = vocabulary;
  const weights = new Float32Array(gramCount * outputCount);
  for (let at = 0; at < weights.length; at += 1) {
    weights[at] = onGrid((head[at] as number) * (frequencies[Math.floor(at / outputCount)] as number));
  }
  const squares = Float32Array.from(frequencies, (frequency) => onGrid(frequency * frequency));
  return { field, vocabulary, outputCount, weights, squares, intercepts: head.slice(gramCount * outputCount) };
}

/** Scores [texts × outputs] of texts, bit for bit the graph's before they are rounded to float32. */
export function scoreTexts(encoder: TextEncoder, texts: readonly string[]): Float64Array {
  const { vocabulary, outputCount, weights, squares, intercepts } = encoder;
  const finder = new GramFinder(vocabulary);
  const scores = new Float64Array(texts.length * outputCount);
  texts.forEach((text, index) => {
    const own = scores.subarray(index * outputCount, (index + 1) * outputCount);
    let square = 0;
    for (const gram of finder.gramsOf(tokensOf(text))) {
      square += squares[gram] as number;
      for (let output = 0; output < outputCount; output += 1) {
        own[output] = (own[output] as number) + (weights[gram * outputCount + output] as number);
      }
    }
    const norm = Math.sqrt(Math.max(1, square));
    for (let output = 0; output < outputCount; output += 1) {
      own[output] = (own[output] as number) / norm + (intercepts[output] as number);
    }
  });
  return scores;
}

/** How many words, digits or capitals each text has. */
export function countTexts(part: CountedPart, texts: readonly string[]): Float64Array {
  return Float64Array.from(texts, (text) => (part === 'words' ? tokensOf(arrivingText(text)).length : countPart(text, part)));
}
