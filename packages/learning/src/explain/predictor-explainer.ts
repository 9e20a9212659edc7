import type { ExplanationMethod } from '@slipway/kernel';
import type { Predictor, SinglePredictor } from '../fitted-model.ts';
import type { EncodedMatrix } from '../matrix.ts';
import { compileTree } from './compile-tree.ts';
import { coverForest, type TreeCover } from './cover.ts';
import { TreeInteractions } from './interactions.ts';
import { InterventionalTreeShap } from './interventional.ts';
import { addLinearInteractions, expectedLinear, explainLinear, type LinearReference, referenceOf } from './linear-shap.ts';
import { type ContributionSink, type FeatureRows, TreeShap } from './tree-shap.ts';

/** What reference rows say about one predictor: enough to explain it without them. */
export type PredictorReference =
  { readonly kind: 'trees'; readonly covers: readonly TreeCover[] } | { readonly kind: 'linear'; readonly linear: LinearReference };

/** The single predictors behind a margin, with their weights. */
export function membersOf(predictor: Predictor): { readonly weight: number; readonly predictor: SinglePredictor }[] {
  return predictor.kind === 'ensemble' ? [...predictor.members] : [{ weight: 1, predictor }];
}

/** Takes from reference rows what explanations need, one entry a member. */
export function referencesOf(predictor: Predictor, matrix: EncodedMatrix): PredictorReference[] {
  return membersOf(predictor).map(({ predictor: member }) =>
    member.kind === 'trees'
      ? { kind: 'trees', covers: coverForest(member.forest, matrix) }
      : { kind: 'linear', linear: referenceOf(member.linear, matrix) },
  );
}

export interface ExplainerSetup {
  readonly predictor: Predictor;
  readonly references: readonly PredictorReference[];
  /** Rows that stand in for absent features when the method is interventional. */
  readonly background: FeatureRows;
  readonly method: ExplanationMethod;
}

type TreeMethod = { explain(rows: FeatureRows, sink: ContributionSink): void };

interface MemberMethod {
  readonly outputCount: number;
  /** Mean margins, one an output. */
  readonly expected: Float64Array;
  add(rows: FeatureRows, contributions: Float64Array, weight: number): void;
}

/** Explains the margins of a predictor: exact for trees and linear models, and by additivity for their weighted means. */
export class PredictorExplainer {
  readonly outputCount: number;
  /** Mean margin, one an output: what is said of a row of which nothing is known. */
  readonly base: Float64Array;
  readonly #members: readonly { readonly weight: number; readonly method: MemberMethod }[];

  constructor({ predictor, references, background, method }: ExplainerSetup) {
    this.#members = membersOf(predictor).map(({ weight, predictor: member }, index) => ({
      weight,
      method: methodOf(member, references[index] as PredictorReference, method === 'interventional' ? background : undefined),
    }));
    this.outputCount = this.#members[0]?.method.outputCount ?? 1;
    this.base = new Float64Array(this.outputCount);
    for (const { weight, method: member } of this.#members)
      member.expected.forEach((value, output) => {
        this.base[output] = (this.base[output] as number) + weight * value;
      });
  }

  /** @returns contributions [rowCount × outputCount × width]; base + their sum is the margin. */
  explain(rows: FeatureRows): Float64Array {
    const contributions = new Float64Array(rows.rowCount * this.outputCount * rows.width);
    for (const { weight, method } of this.#members) method.add(rows, contributions, weight);
    return contributions;
  }
}

function methodOf(member: SinglePredictor, reference: PredictorReference, background: FeatureRows | undefined): MemberMethod {
  if (member.kind === 'linear' && reference.kind === 'linear') {
    const { linear } = member;
    return {
      outputCount: linear.outputCount,
      expected: expectedLinear(linear, reference.linear),
      add: (rows, contributions, weight) => explainLinear(linear, reference.linear, rows, { contributions, weight }),
    };
  }
  if (member.kind !== 'trees' || reference.kind !== 'trees') throw new Error('Broken invariant: a reference belongs to its predictor');
  const { forest } = member;
  const expected = Float64Array.from(forest.base);
  const trees = forest.trees.map((tree, index): TreeMethod => {
    const output = index % forest.outputCount;
    if (background) {
      const shap = new InterventionalTreeShap(tree, background);
      expected[output] = (expected[output] as number) + shap.expected();
      return shap;
    }
    const compiled = compileTree(tree, reference.covers[index] as TreeCover);
    expected[output] = (expected[output] as number) + compiled.expected;
    return new TreeShap(compiled);
  });
  return {
    outputCount: forest.outputCount,
    expected,
    add: (rows, contributions, weight) =>
      trees.forEach((tree, index) =>
        tree.explain(rows, { contributions, outputCount: forest.outputCount, output: index % forest.outputCount, weight }),
      ),
  };
}

/**
 * Mean absolute path-dependent interactions of pairs of features over rows and outputs, [width × width] with an empty diagonal. A
 * linear member has those of its products.
 */
export function meanInteractions(
  { predictor, references }: Pick<ExplainerSetup, 'predictor' | 'references'>,
  rows: FeatureRows,
): Float64Array {
  const { width, rowCount } = rows;
  const sums = new Float64Array(width * width);
  const members = membersOf(predictor);
  const outputs = members.reduce(
    (_, { predictor: member }) => (member.kind === 'trees' ? member.forest.outputCount : member.linear.outputCount),
    1,
  );
  for (let output = 0; output < outputs; output += 1) {
    const values = new Float64Array(rowCount * width * width);
    members.forEach(({ weight, predictor: member }, index) => {
      const reference = references[index];
      if (member.kind === 'linear' && reference?.kind === 'linear')
        addLinearInteractions(member.linear, reference.linear, rows, { interactions: values, output, weight });
      if (member.kind !== 'trees' || reference?.kind !== 'trees') return;
      member.forest.trees.forEach((tree, at) => {
        if (at % outputs !== output) return;
        new TreeInteractions(compileTree(tree, reference.covers[at] as TreeCover)).explain(rows, values, weight);
      });
    });
    for (let at = 0; at < values.length; at += 1) {
      const cell = at % sums.length;
      sums[cell] = (sums[cell] as number) + Math.abs(values[at] as number) / rowCount / outputs;
    }
  }
  return sums;
}
