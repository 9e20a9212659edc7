import assert from 'node:assert/strict';
import { Contract, type Frame, textColumn } from '@slipway/kernel';
import { createRandom, type Random } from '@slipway/statistics';
import { describe, test } from 'vitest';
import { rowsOf } from '../explain/build-explainer.ts';
import { meanInteractions, PredictorExplainer, referencesOf } from '../explain/predictor-explainer.ts';
import { type Predictor, predictMargins } from '../fitted-model.ts';
import { type EncodedMatrix, takeMatrixRows } from '../matrix.ts';
import { encodeFrame, fitPreparation } from '../preparation.ts';
import { compareWithGraph } from '../testing/open-fitted.ts';
import { train, type TrainRequest } from '../train.ts';
import { planLinear } from './plan-linear.ts';

const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: [
    ...['age', 'income', 'height', 'weight'].map((name) => ({ name, type: 'float64', role: 'numeric', nullable: true })),
    { name: 'plan', type: 'string', role: 'categorical', nullable: true },
    { name: 'place', type: 'string', role: 'categorical', nullable: true },
  ],
});

interface Row {
  readonly age: number;
  readonly income: number;
  readonly height: number;
  readonly weight: number;
  readonly plan: string;
  readonly place: string;
}

/** Height and weight go together; everything else is independent. A tenth of the ages is missing. */
function tableOf(rowCount: number, seed: string, truth: (row: Row, random: Random) => number): { frame: Frame; target: Float64Array } {
  const random = createRandom(seed);
  const rows = Array.from({ length: rowCount }, (): Row => {
    const height = random.normal();
    return {
      age: 40 + 10 * random.normal(),
      income: 3 * random.normal(),
      height,
      weight: 0.8 * height + 0.6 * random.normal(),
      plan: ['basic', 'plus', 'pro'][random.int(3)] as string,
      place: ['north', 'south', 'west'][random.int(3)] as string,
    };
  });
  const target = Float64Array.from(rows, (row) => truth(row, random));
  const numbers = (name: 'age' | 'income' | 'height' | 'weight') => {
    const values = Float64Array.from(rows, (row) => (name === 'age' && random.next() < 0.1 ? Number.NaN : row[name]));
    return [name, { kind: 'number', values }] as const;
  };
  const columns = new Map([
    ...(['age', 'income', 'height', 'weight'] as const).map(numbers),
    ['plan', textColumn(rows.map((row) => row.plan))] as const,
    ['place', textColumn(rows.map((row) => row.place))] as const,
  ]);
  return { frame: { rowCount, columns }, target };
}

const ageEffect = ({ age, income }: Row) => 0.1 * (age - 40) * income;
const planEffect = ({ age, plan }: Row) => (plan === 'pro' ? 0.2 * (age - 40) : 0);
const placeEffect = ({ plan, place }: Row) => (plan === 'basic' && place === 'west' ? 3 : 0);
const plain = ({ age, income, height, plan }: Row) => 0.1 * age - income + height + (plan === 'plus' ? 1 : 0);
const asClass = (score: number, random: Random) => (random.next() < 1 / (1 + Math.exp(-score)) ? 1 : 0);

const request = (table: { frame: Frame; target: Float64Array }, wishes: Partial<TrainRequest> = {}): TrainRequest => {
  const isClass = table.target.every((value) => value === 0 || value === 1);
  return { ...table, contract, task: isClass ? 'binary' : 'regression', classes: isClass ? ['no', 'yes'] : null, seed: 1, ...wishes };
};
const fixed = (interactions: number) => ({ fixed: { trainer: 'linear', params: { interactions } } }) as const;
const meanSquare = (values: Float64Array, truth: Float64Array) =>
  values.reduce((sum, value, row) => sum + (value - (truth[row] as number)) ** 2, 0) / truth.length;

/** The products that rows alone would choose. */
function productsOf({ frame, target }: { frame: Frame; target: Float64Array }, objective: 'binary' | 'squared') {
  const matrix = encodeFrame(fitPreparation(contract, frame), frame);
  return planLinear({ objective, outputCount: 1, matrix, targets: { target, weights: undefined } }, 10)?.products ?? [];
}

/** Mean margin when the features of a set are those of one row and all others those of each reference row. */
function valueOfSet(predictor: Predictor, row: EncodedMatrix, reference: EncodedMatrix, isKnown: (feature: number) => boolean): number {
  const columns = reference.columns.map((column, at) => (isKnown(at) ? column.map(() => row.columns[at]?.[0] as number) : column));
  const margins = predictMargins(predictor, { ...reference, columns });
  return margins.reduce((sum, margin) => sum + margin, 0) / margins.length;
}

const bits = (set: number) => set.toString(2).replaceAll('0', '').length;
const factorial = (count: number): number => (count < 2 ? 1 : count * factorial(count - 1));

describe('products in linear models', () => {
  test('LE27 true products of numbers, of a number and a category, and of two categories are found and named', async () => {
    const score = (row: Row) => ageEffect(row) + planEffect(row) + placeEffect(row);
    const table = tableOf(3_000, 'true', (row, random) => plain(row) + score(row) + random.normal());
    const { interactions } = await train(request(table, fixed(3)));
    const named = interactions.map((name) => name.split(' × ').toSorted().join(' × ')).toSorted();
    assert.deepEqual(named, ['age × income', 'age × plan=pro', 'place=west × plan=basic']);
    const classes = tableOf(6_000, 'classes', (row, random) => asClass(ageEffect(row) + planEffect(row), random));
    const found = (await train(request(classes, fixed(2)))).interactions;
    assert.deepEqual(found.map((name) => name.split(' × ').toSorted().join(' × ')).toSorted(), ['age × income', 'age × plan=pro']);
  });

  test('LE27 a true product lowers the error of unseen rows, and the graph says what the trainer says', async () => {
    const truth = (row: Row, random: Random) => plain(row) + ageEffect(row) + placeEffect(row) + random.normal();
    const [seen, unseen] = [tableOf(2_000, 'seen', truth), tableOf(2_000, 'unseen', truth)];
    const [without, model] = [await train(request(seen, fixed(0))), await train(request(seen, fixed(10)))];
    const errorOf = ({ predict }: typeof model) => meanSquare(predict(unseen.frame).values as Float64Array, unseen.target);
    assert.ok(errorOf(model) < 0.5 * errorOf(without), `${errorOf(model)} against ${errorOf(without)}`);
    const { trainer, graph } = await compareWithGraph(model.fitted, contract, unseen.frame);
    const worst = (trainer.values as Float64Array).reduce(
      (most, value, row) => Math.max(most, Math.abs(value - (graph.values?.[row] as number)) / Math.max(1, Math.abs(value))),
      0,
    );
    assert.ok(worst < 1e-12, `${worst}`);
    const again = await train(request(seen, { fixed: { trainer: 'linear', params: model.params } }));
    assert.deepEqual([again.bytes, again.params], [model.bytes, model.params]);
  });

  test('LE27 values far from those seen, missing and unseen ones are the same in graph and trainer', async () => {
    const model = await train(
      request(
        tableOf(2_000, 'nasty', (row, random) => asClass(ageEffect(row) + planEffect(row), random)),
        fixed(5),
      ),
    );
    assert.ok(model.interactions.length > 0);
    const nasty = [Number.NaN, 0, 1e300, -1e300, 1e-320, 40, -3];
    const rowCount = nasty.length ** 2;
    const numbers = (valueOf: (row: number) => number) =>
      ({ kind: 'number', values: Float64Array.from({ length: rowCount }, (_, row) => valueOf(row)) }) as const;
    const frame: Frame = {
      rowCount,
      columns: new Map([
        ['age', numbers((row) => nasty[row % nasty.length] as number)],
        ['income', numbers((row) => nasty[Math.floor(row / nasty.length)] as number)],
        ['height', numbers(() => 0)],
        ['weight', numbers((row) => nasty[row % 3] as number)],
        ['plan', textColumn(Array.from({ length: rowCount }, (_, row) => ['pro', '', 'unheard of', null][row % 4] ?? null))],
        ['place', textColumn(Array.from({ length: rowCount }, () => 'west'))],
      ]),
    };
    const { trainer, graph } = await compareWithGraph(model.fitted, contract, frame);
    assert.deepEqual(graph.labels, trainer.labels);
    trainer.probabilities?.forEach((value, at) => assert.ok(Math.abs(value - (graph.probabilities?.[at] as number)) < 1e-6));
  });

  test('LE27 where nothing interacts, curved and correlated columns included, products are kept in few of many tables', () => {
    let kept = 0;
    const TABLES = 40;
    for (let seed = 0; seed < TABLES; seed += 1) {
      const table = tableOf(500, `none ${seed}`, (row, random) => {
        const score = plain(row) / 3 + row.height ** 2 - 1.5;
        return seed % 2 === 0 ? asClass(score, random) : score + (1 + Math.abs(row.income)) * random.normal();
      });
      kept += productsOf(table, seed % 2 === 0 ? 'binary' : 'squared').length > 0 ? 1 : 0;
    }
    assert.ok(kept <= 6, `${kept} of ${TABLES}`);
  });

  test('LE27 a search takes products where they are true and none where they are not', async () => {
    const search = { trainers: ['linear'], seconds: 20 } as const;
    const truth = (row: Row, random: Random) => plain(row) + ageEffect(row) + 2 * random.normal();
    const found = await train(request(tableOf(1_500, 'search', truth), search));
    assert.match(found.selection.candidate, /products|ensemble/);
    assert.ok(found.interactions.some((name) => name === 'age × income' || name === 'income × age'));
    const none = await train(
      request(
        tableOf(1_500, 'search none', (row, random) => plain(row) + 2 * random.normal()),
        search,
      ),
    );
    assert.deepEqual(none.interactions, []);
    assert.ok(
      none.leaderboard.some(({ id }) => id.startsWith('linear-products')),
      'products were tried',
    );
  });

  test('LE27 contributions are Shapley values against the reference rows, and interactions those of the products', async () => {
    const table = tableOf(800, 'shap', (row, random) => plain(row) + ageEffect(row) + planEffect(row) + placeEffect(row) + random.normal());
    const { fitted } = await train(request(table, fixed(6)));
    const matrix = encodeFrame(fitted.preparation, table.frame);
    const reference = takeMatrixRows(
      matrix,
      Int32Array.from({ length: 20 }, (_, row) => 7 * row),
    );
    const row = takeMatrixRows(matrix, Int32Array.of(500));
    const references = referencesOf(fitted.predictor, reference);
    const setup = { predictor: fitted.predictor, references, background: rowsOf(reference), method: 'path-dependent' } as const;
    const explainer = new PredictorExplainer(setup);
    const found = explainer.explain(rowsOf(row));
    const width = matrix.columns.length;
    const values = Array.from({ length: 2 ** width }, (_, set) =>
      valueOfSet(fitted.predictor, row, reference, (at) => ((set >> at) & 1) === 1),
    );
    const tolerance = 1e-9;
    assert.ok(Math.abs((explainer.base[0] as number) - (values[0] as number)) < tolerance);
    const interactions = meanInteractions(setup, rowsOf(row));
    for (let feature = 0; feature < width; feature += 1) {
      const shapley = values.reduce((sum, value, set) => {
        if ((set >> feature) & 1) return sum;
        const weight = (factorial(bits(set)) * factorial(width - bits(set) - 1)) / factorial(width);
        return sum + weight * ((values[set | (1 << feature)] as number) - value);
      }, 0);
      assert.ok(Math.abs(shapley - (found[feature] as number)) < tolerance, `feature ${feature}: ${shapley}, ${found[feature]}`);
      for (let other = 0; other < feature; other += 1) {
        const both = (1 << feature) | (1 << other);
        const index = values.reduce((sum, value, set) => {
          if (set & both) return sum;
          const weight = (factorial(bits(set)) * factorial(width - bits(set) - 2)) / factorial(width - 1);
          const change =
            (values[set | both] as number) - (values[set | (1 << feature)] as number) - (values[set | (1 << other)] as number) + value;
          return sum + weight * change;
        }, 0);
        assert.ok(Math.abs(Math.abs(index) / 2 - (interactions[feature * width + other] as number)) < tolerance);
      }
    }
  });
});
