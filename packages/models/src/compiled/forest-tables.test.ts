import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { seededRandom } from '../testing/synthetic-model.ts';
import { TABLE_LEAVES_LIMIT, tableForest } from './forest-tables.ts';
import { finderByTables, finderByWalking } from './leaf-finders.ts';
import { NODE_LEQ, NODE_LT, NODE_MEMBER, type ProgramForest } from './program.ts';

const MODES = [NODE_LEQ, NODE_LT, NODE_MEMBER] as const;
/** Thresholds with neighbours, so that "less" and "at most" differ for values that are drawn. */
const NUMBERS = [-Number.MAX_VALUE / 2, -1.5, -Number.MIN_VALUE, -0, 0, Number.MIN_VALUE, 0.1, 0.1 + 2 ** -56, 1, 2, 3, 4, 33, 40];
const VALUES = [...NUMBERS, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.5, -1, 31, 32, 64, 1e300];

interface Shape {
  readonly trees: number;
  readonly leavesMost: number;
  readonly features: number;
}

/** Random trees of any shape: numbers and codes asked for by the same features. */
function randomForest(random: () => number, { trees, leavesMost, features }: Shape): ProgramForest {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const nodes: { feature: number; mode: number; split: number; missingYes: number; start: number; yes: number; no: number }[] = [];
  const members: number[] = [];
  let leaves = 0;
  const grow = (count: number): number => {
    if (count === 1) return ~leaves++;
    const start = members.length;
    members.push(Math.floor(random() * 2 ** 32), Math.floor(random() * 2 ** 32));
    const node = {
      feature: Math.floor(random() * features),
      mode: pick(MODES),
      split: pick(NUMBERS),
      missingYes: pick([0, 1]),
      start,
      yes: 0,
      no: 0,
    };
    const place = nodes.push(node) - 1;
    const left = 1 + Math.floor(random() * (count - 1));
    // Leaves are numbered in any order.
    if (random() < 0.5) [node.yes, node.no] = [grow(left), grow(count - left)];
    else [node.no, node.yes] = [grow(count - left), grow(left)];
    return place;
  };
  const roots = Int32Array.from({ length: trees }, () => grow(1 + Math.floor(random() * leavesMost)));
  return {
    roots,
    feature: Int32Array.from(nodes, ({ feature }) => feature),
    mode: Uint8Array.from(nodes, ({ mode }) => mode),
    split: Float64Array.from(nodes, ({ split }) => split),
    missingYes: Uint8Array.from(nodes, ({ missingYes }) => missingYes),
    yes: Int32Array.from(nodes, ({ yes }) => yes),
    no: Int32Array.from(nodes, ({ no }) => no),
    memberStart: Int32Array.from(nodes, ({ start }) => start),
    memberCount: Int32Array.from(nodes, () => 33 + Math.floor(random() * 31)),
    members: Uint32Array.from(members),
    leafTarget: new Int32Array(leaves),
    leafWeight: new Float64Array(leaves),
  };
}

describe('a forest as tables', () => {
  test('finds the leaves that walking finds, for numbers at, beside and between thresholds, codes, infinities and nothing', () => {
    const random = seededRandom(7);
    let tabled = 0;
    for (let round = 0; round < 60; round += 1) {
      const features = 1 + Math.floor(random() * 3);
      const forest = randomForest(random, { trees: 40, leavesMost: TABLE_LEAVES_LIMIT, features });
      const tables = tableForest(forest);
      if (tables === undefined) continue;
      tabled += 1;
      const memory = new Float64Array(features + 1);
      const [walked, looked] = [new Int32Array(40), new Int32Array(40)];
      const walk = finderByWalking(memory, 1, forest, walked);
      const look = finderByTables(memory, 1, tables, looked);
      for (let row = 0; row < 60; row += 1) {
        for (let feature = 0; feature < features; feature += 1)
          memory[feature + 1] = VALUES[Math.floor(random() * VALUES.length)] as number;
        walk();
        look();
        assert.deepEqual(looked, walked, `round ${round}: ${memory.slice(1).join(', ')}`);
      }
    }
    assert.ok(tabled > 50, `only ${tabled} forests were made tables of`);
  });

  test('control: a threshold that is read as "at most" where it says "less" gives another leaf', () => {
    const forest = randomForest(seededRandom(3), { trees: 40, leavesMost: 8, features: 1 });
    const wrong = { ...forest, mode: forest.mode.map((mode) => (mode === NODE_LT ? NODE_LEQ : mode)) };
    const memory = new Float64Array(1);
    const [walked, looked] = [new Int32Array(40), new Int32Array(40)];
    const walk = finderByWalking(memory, 0, forest, walked);
    const tables = tableForest(wrong);
    assert.ok(tables);
    const look = finderByTables(memory, 0, tables, looked);
    const differs = NUMBERS.some((value) => {
      memory[0] = value;
      walk();
      look();
      return walked.some((leaf, tree) => leaf !== looked[tree]);
    });
    assert.ok(differs);
  });

  test('is not made of trees with more leaves than bits, of infinite thresholds, or where walking is cheaper', () => {
    const random = seededRandom(11);
    const shape = { trees: 40, leavesMost: 16, features: 2 };
    assert.ok(tableForest(randomForest(random, shape)));
    const large = Array.from({ length: 20 }, () => randomForest(random, { ...shape, leavesMost: 80 }));
    assert.ok(large.every((forest) => tableForest(forest) === undefined));
    const forest = randomForest(random, shape);
    const infinite = { ...forest, split: forest.split.map(() => Number.POSITIVE_INFINITY) };
    assert.equal(tableForest(infinite), undefined);
    const circle = { ...forest, yes: forest.yes.map((_, node) => node) };
    assert.equal(tableForest(circle), undefined);
    assert.equal(tableForest(randomForest(random, { trees: 2, leavesMost: 4, features: 2 })), undefined);
  });
});
