import assert from 'node:assert/strict';
import { Contract, type Frame, textColumn } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { describe, test } from 'vitest';
import { type FittedModel, predictFitted } from '../fitted-model.ts';
import { encodeFrame, encodeTraining, fitSupervised } from '../preparation.ts';
import type { Supervision } from '../supervision.ts';
import { compareWithGraph } from '../testing/open-fitted.ts';
import { fitHeads } from './fit-heads.ts';
import { fitHead, type SparseRows } from './head.ts';
import { countPart, tokensOf } from './tokens.ts';
import { fitVocabulary, GramFinder } from './vocabulary.ts';

const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: [{ name: 'note', type: 'string', role: 'text', nullable: true }],
});

function frameOf(texts: readonly (string | null)[]): Frame {
  return { rowCount: texts.length, columns: new Map([['note', textColumn(texts)]]) };
}

const TOPICS = [
  ['refund', 'money', 'charged', 'Geld'],
  ['parcel', 'late', 'courier', 'Straße'],
  ['password', 'login', 'reset', 'été'],
] as const;
const FILLER = ['the', 'a', 'my', 'is', 'please', 'when', 'ok', 'and', 'hello', 'you'];

function sentences(count: number, seed: string): { texts: string[]; target: Float64Array } {
  const random = createRandom(seed);
  const target = Float64Array.from({ length: count }, () => random.int(TOPICS.length));
  const pick = (words: readonly string[]) => words[random.int(words.length)] as string;
  const texts = Array.from(target, (topic) =>
    Array.from({ length: 4 + random.int(8) }, () => (random.next() < 0.3 ? pick(TOPICS[topic] ?? FILLER) : pick(FILLER))).join(' '),
  );
  return { texts, target };
}

function supervisionOf(target: Float64Array): Supervision {
  return { task: 'multiclass', outputCount: 3, target, weights: undefined, seed: 1, classes: ['money', 'parcel', 'login'] };
}

/** A model whose graph is all preparation: its one number is an intercept. */
function modelOf(preparation: FittedModel['preparation']): FittedModel {
  const none = new Float64Array(0);
  return {
    task: 'regression',
    classes: null,
    preparation,
    predictor: {
      kind: 'linear',
      linear: { outputCount: 1, intercepts: Float64Array.of(1), numeric: [], slopes: none, missing: none, categorical: [], codes: none },
    },
    calibration: null,
    link: 'identity',
    scale: { mean: 0, deviation: 1 },
  };
}

const NASTY = [
  '',
  ' ',
  '...',
  '\0',
  'refund\0money',
  '\uD800 REFUND',
  'ReFuNd mOnEy 08',
  '£££!!! MONEY',
  '你好世界 refund',
  'x'.repeat(100_000),
  'money '.repeat(5_000),
  '\u0001\u0002\u0003',
  'İstanbul ıI straße STRASSE',
  'e\u0301te ÉTÉ',
  '😀money',
  'money\u00A0me',
  '\u2028refund\n',
  'ﬁnal ΣΊΣΥΦΟΣ',
  '\u0001 4',
  '12 345',
];

describe('text in the graph', () => {
  const { texts, target } = sentences(400, 'graph');
  const fitted = fitSupervised(contract, frameOf([...texts.slice(0, 398), null, 'REFUND 12']), supervisionOf(target));
  // Every count, as its root and, as in older models, as it is.
  const counts = (['words', 'digits', 'capitals'] as const).map(
    (part) => ({ kind: 'textCount', name: `note.${part}`, field: 'note', part, isRoot: true }) as const,
  );
  const preparation = {
    ...fitted.preparation,
    features: [
      ...fitted.preparation.features.filter((plan) => plan.kind === 'textScore'),
      ...counts,
      { kind: 'textCount', name: 'count.digits', field: 'note', part: 'digits' } as const,
    ],
  };
  const model = modelOf(preparation);

  test('LE3 scores and counts are the trainer’s bit for bit, for nasty texts together and each alone', async () => {
    assert.deepEqual(
      preparation.features.map((plan) => plan.name),
      ['note.score.money', 'note.score.parcel', 'note.score.login', 'note.words', 'note.digits', 'note.capitals', 'count.digits'],
    );
    for (const batch of [[...NASTY, null, ...texts], ...NASTY.map((text) => [text]), [null], ['', ' ', null]]) {
      const { features, trainer } = await compareWithGraph(model, contract, frameOf(batch));
      assert.deepEqual([...features], [...trainer.features], JSON.stringify(batch).slice(0, 80));
    }
  });

  test('LE26 one huge text among many rows does not make every row huge: they are run apart', async () => {
    const rows = Array.from({ length: 600 }, (_, row) => (row === 300 ? 'money '.repeat(160_000) : (texts[row % 300] as string)));
    const { features, trainer } = await compareWithGraph(model, contract, frameOf(rows));
    assert.deepEqual([...features], [...trainer.features]);
    assert.ok(process.memoryUsage.rss() < 3e9, 'in one run the padding alone would take 600 x 160,000 strings');
  });

  test('LE3 the comparison sees a difference: other words give other scores', () => {
    const [left, right] = [frameOf(['refund my money']), frameOf(['my parcel is late'])].map(
      (frame) => predictFitted(model, frame).features,
    );
    assert.notDeepEqual(left, right);
  });
});

describe('text scores', () => {
  const { texts, target } = sentences(400, 'scores');

  test('LE25 separate topics, in rows the encoder has not seen', () => {
    const { preparation } = fitSupervised(contract, frameOf(texts), supervisionOf(target));
    const fresh = sentences(300, 'fresh');
    const { columns } = encodeFrame(preparation, frameOf(fresh.texts));
    const hits = fresh.target.filter((topic, row) => {
      const scores = columns.slice(0, 3).map((column) => column[row] as number);
      return scores.indexOf(Math.max(...scores)) === topic;
    });
    assert.ok(hits.length > 0.8 * 300, `${hits.length} of 300`);
  });

  test('LE25 a column that says nothing about the target gets no scores', () => {
    const shuffled = createRandom('shuffle').shuffle(Int32Array.from(target));
    const { preparation } = fitSupervised(contract, frameOf(texts), supervisionOf(Float64Array.from(shuffled)));
    assert.ok(preparation.features.every((plan) => plan.kind === 'textCount'));
  });

  test('LE2 heads are the same bit for bit whatever the threads that fit them', () => {
    const random = createRandom('heads');
    const [rowCount, width, outputCount, words] = [1_500, 400, 60, 14];
    const starts = Int32Array.from({ length: rowCount + 1 }, (_, row) => row * words);
    const columns = Int32Array.from({ length: rowCount * words }, () => random.int(width));
    const matrix: SparseRows = { rowCount, width, starts, columns, values: new Float64Array(columns.length).fill(0.3) };
    const truth = Float64Array.from({ length: rowCount }, () => random.int(outputCount));
    const requests = [0, 1, 2].map((part) => ({
      loss: 'multiclass' as const,
      outputCount,
      matrix,
      target: truth,
      weights: undefined,
      rows: Int32Array.from({ length: rowCount }, (_, row) => row).filter((row) => row % 3 !== part),
      strength: 0.01,
    }));
    const alone = fitHeads(requests, 1);
    assert.deepEqual(
      fitHeads(requests, 3).map((head) => [...head]),
      alone.map((head) => [...head]),
    );
    assert.notDeepEqual([...(alone[0] ?? [])], [...(alone[1] ?? [])]);
  });

  test('LE28 of words, digits and capitals those are learnt from that say more than the words do', () => {
    const random = createRandom('counts');
    const shouted = target.map((topic) => (topic === 0 ? 1 : 0));
    const countsOf = (written: readonly string[], supervision: Supervision) =>
      fitSupervised(contract, frameOf(written), supervision).preparation.features.flatMap((plan) =>
        plan.kind === 'textCount' ? [plan.part] : [],
      );
    const binary = { ...supervisionOf(Float64Array.from(shouted)), task: 'binary', outputCount: 1, classes: ['no', 'yes'] } as const;
    // The topic's words are swapped for those of any other in half of the rows, so that they leave something to say.
    const blurred = texts.map((text) => (random.next() < 0.5 ? (texts[random.int(texts.length)] as string) : text));
    const any = blurred.map((text) => (random.next() < 0.5 ? text.toUpperCase() : text));
    assert.deepEqual(countsOf(any, binary).includes('capitals'), false);
    const meant = blurred.map((text, row) => (shouted[row] === 1 && random.next() < 0.6 ? text.toUpperCase() : text));
    assert.deepEqual(countsOf(meant, binary).includes('capitals'), true);
  });

  test('LE25 training rows are scored by encoders that have not seen their target', () => {
    // Every text has a word of its own; only a head that saw the row could know its class.
    const random = createRandom('own words');
    const own = texts.map((text, row) => `${text} word${row} word${row}b`);
    const noise = Float64Array.from(target, (topic) => (random.next() < 0.5 ? topic : random.int(3)));
    const fitted = fitSupervised(contract, frameOf(own), supervisionOf(noise));
    const seen = accuracy(encodeFrame(fitted.preparation, frameOf(own)).columns, noise);
    const unseen = accuracy(encodeTraining(fitted, frameOf(own)).columns, noise);
    assert.ok(unseen < seen, `${unseen} against ${seen}`);
    assert.ok(unseen < 0.7, `${unseen}: two thirds of the classes are what the words say`);
  });

  test('LE25 the same rows and seed give the same encoder', () => {
    const [left, right] = [1, 2].map(() => fitSupervised(contract, frameOf(texts), supervisionOf(target)));
    assert.deepEqual(left, right);
  });
});

function accuracy(columns: readonly Float32Array[], target: Float64Array): number {
  let hits = 0;
  target.forEach((truth, row) => {
    const scores = columns.slice(0, 3).map((column) => column[row] as number);
    if (scores.indexOf(Math.max(...scores)) === truth) hits += 1;
  });
  return hits / target.length;
}

describe('tokens', () => {
  test('are words, signs that mean something, and single letters of scripts without spaces', () => {
    assert.deepEqual(tokensOf("Don't pay £50, OK?! 你好"), ['Don', 't', 'pay', '£', '50', 'OK', '?', '!', '你', '好']);
    assert.deepEqual(tokensOf(' \n\t.,'), []);
    assert.equal(countPart('A1b2', 'digits'), 2);
    assert.equal(countPart('A1bC', 'capitals'), 2);
  });
});

describe('a vocabulary', () => {
  test('knows words of two rows or more in any usual spelling, and pairs of neighbours', () => {
    const vocabulary = fitVocabulary({ texts: ['Free call now', 'free call later', 'other'], rows: Int32Array.of(1, 1, 1) });
    const finder = new GramFinder(vocabulary);
    assert.equal(vocabulary.gramCount, 3);
    assert.deepEqual(finder.gramsOf(tokensOf('FREE call')), finder.gramsOf(tokensOf('free Call')));
    assert.deepEqual(finder.gramsOf(tokensOf('call free')).length, 2);
    assert.deepEqual(finder.gramsOf(tokensOf('now later')), []);
  });

  test('keeps no more than its limit, the most frequent first', () => {
    const texts = ['a b c', 'a b c', 'a b', 'a', 'd'];
    const vocabulary = fitVocabulary({ texts, rows: Int32Array.from(texts, () => 1) }, 2);
    assert.deepEqual([...vocabulary.rowCounts], [4, 3]);
  });
});

describe('a head', () => {
  test('reaches scikit-learn’s ridge optimum of a small problem', () => {
    // minimise mean((w·x + b - y)²)/2 + 0.1/2·w² for x = 1,2,3 and y = 1,2,4: w = sxy/(sxx + 0.1) about the means.
    const matrix: SparseRows = {
      rowCount: 3,
      width: 1,
      starts: Int32Array.of(0, 1, 2, 3),
      columns: Int32Array.of(0, 0, 0),
      values: Float64Array.of(1, 2, 3),
    };
    const rows = Int32Array.of(0, 1, 2);
    const target = Float64Array.of(1, 2, 4);
    const [weight = 0, intercept = 0] = fitHead({
      loss: 'squared',
      outputCount: 1,
      matrix,
      target,
      weights: undefined,
      rows,
      strength: 0.1,
    });
    const expected = 1 / (2 / 3 + 0.1);
    assert.ok(Math.abs(weight - expected) < 1e-2, `${weight}`);
    assert.ok(Math.abs(intercept - (7 / 3 - 2 * expected)) < 2e-2, `${intercept}`);
  });
});
