import {
  type ExplainOptions,
  type Explanation,
  type ExplanationMethod,
  type FieldContribution,
  type Frame,
  frameFromRows,
  type Row,
} from '@slipway/kernel';
import { ExplainRequestError } from '../errors.ts';
import { predictFitted, predictMargins, type Predictor } from '../fitted-model.ts';
import { encodeFrame } from '../preparation.ts';
import { additivityErrorOf, rowsOf } from './build-explainer.ts';
import { findCounterfactuals, type FoundChange, type PlainRow, withValue } from './counterfactuals.ts';
import type { ExplainerData } from './explainer-data.ts';
import { gatherContributions } from './gather-contributions.ts';
import { nearestExamples } from './neighbours.ts';
import { meanInteractions, membersOf, PredictorExplainer } from './predictor-explainer.ts';

/** Explanations that do not add up to the margin within this share of it are a defect, and are not given out. */
export const ADDITIVITY_ERROR_MAX = 1e-6;

/** Trees walked in one search for counterfactuals, and the rows that are predicted however many trees there are. */
const SEARCH_WORK_LIMIT = 20_000_000;
const PREDICTIONS_MIN = 500;
/** Words of a free text that are tried, and the strongest that are named. */
const WORDS_TRIED = 64;
const WORDS_NAMED = 10;
const WORD_LENGTH_NAMED = 64;
/** Units of a free text whose words are looked at. */
const TEXT_LENGTH_EXPLAINED = 4_000;

/** An explanation before its counterfactuals were tried on the served version. */
export interface DraftExplanation {
  readonly explanation: Explanation;
  readonly found: readonly FoundChange[];
  /** Whether there was another decision to look for. */
  readonly searched: boolean;
}

/** How the served version decides, when it is not the likeliest class. */
export interface Decision {
  /** Binary: the positive class from this probability on. */
  readonly threshold: number;
  /** The same for each row, where groups have thresholds of their own. */
  readonly byRow?: readonly number[];
}

/** Contributions of whole rows, by field. Row-major [rowCount × outputCount × fields]. */
export interface FrameContributions {
  readonly rowCount: number;
  readonly outputCount: number;
  readonly fields: readonly string[];
  readonly base: readonly number[];
  readonly contributions: Float64Array;
  readonly additivityError: number;
}

/** Explains one model's answers from its stored data. Synchronous: belongs on a thread of its own. */
export class Explainer {
  readonly data: ExplainerData;
  readonly #methods = new Map<ExplanationMethod, PredictorExplainer>();
  /** Per encoded feature: its position among the fields. */
  readonly #fieldOf: Int32Array;
  readonly #fields: readonly string[];
  /** Fields of free text. */
  readonly #texts: ReadonlySet<string>;

  constructor(data: ExplainerData) {
    this.data = data;
    const { features } = data.fitted.preparation;
    this.#fields = [...new Set(features.map((plan) => plan.field))];
    this.#texts = new Set(data.contract.fields.filter((field) => field.role === 'text').map((field) => field.name));
    this.#fieldOf = Int32Array.from(features, (plan) => this.#fields.indexOf(plan.field));
  }

  /** Why the model answers these rows as it does. Rows must have passed the contract. @throws {ExplainRequestError} */
  explain(rows: readonly Row[], options: ExplainOptions, decision: Decision): DraftExplanation[] {
    const { fitted, contract } = this.data;
    const frame = frameFromRows(contract, rows);
    const matrix = encodeFrame(fitted.preparation, frame);
    const features = rowsOf(matrix);
    const margins = predictMargins(fitted.predictor, matrix);
    const outputs = predictFitted(fitted, frame);
    const method = this.#method(options.method);
    const contributions = method.explain(features);
    this.#requireAdditive(method, contributions, margins);
    return rows.map((row, at) => {
      const output = this.#outputOf(options, outputs.labels?.[at]);
      const from = (at * method.outputCount + output) * features.width;
      const explanation = this.#describe(row, options, {
        output,
        base: method.base[output] as number,
        margin: margins[at * method.outputCount + output] as number,
        contributions: contributions.subarray(from, from + features.width),
      });
      const named = this.#withWords(row, explanation.contributions, output);
      const neighbours = nearestExamples(
        this.data,
        features.values.subarray(at * features.width, (at + 1) * features.width),
        options.neighbours,
      );
      const { found, searched, notes } = this.#counterfactuals(row, options, decision.byRow?.[at] ?? decision.threshold);
      if (options.neighbours > 0 && neighbours.length === 0)
        notes.push('No training examples are kept: the data says whose rows they are.');
      return {
        explanation: {
          ...explanation,
          contributions: named,
          ...(options.neighbours > 0 ? { neighbours } : {}),
          ...(notes.length > 0 ? { notes } : {}),
        },
        found,
        searched,
      };
    });
  }

  /** Path-dependent contributions of every row of a frame, by field. */
  contributions(frame: Frame): FrameContributions {
    const { fitted } = this.data;
    const matrix = encodeFrame(fitted.preparation, frame);
    const features = rowsOf(matrix);
    const method = this.#method('path-dependent');
    const contributions = method.explain(features);
    const additivityError = additivityErrorOf(method, contributions, predictMargins(fitted.predictor, matrix), features.width);
    const byField = new Float64Array(frame.rowCount * method.outputCount * this.#fields.length);
    const scale = this.#scale();
    contributions.forEach((value, at) => {
      const cell = Math.floor(at / features.width) * this.#fields.length + (this.#fieldOf[at % features.width] as number);
      byField[cell] = (byField[cell] as number) + scale * value;
    });
    return {
      rowCount: frame.rowCount,
      outputCount: method.outputCount,
      fields: this.#fields,
      base: Array.from(method.base, (value) => this.#shift(value)),
      contributions: byField,
      additivityError,
    };
  }

  /** Mean absolute interaction of every pair of fields over a frame's rows, strongest first. */
  interactions(frame: Frame): { readonly fields: readonly [string, string]; readonly strength: number }[] {
    const { fitted, references } = this.data;
    const rows = rowsOf(encodeFrame(fitted.preparation, frame));
    const byFeature = meanInteractions({ predictor: fitted.predictor, references }, rows);
    const count = this.#fields.length;
    const byField = new Float64Array(count * count);
    for (let left = 0; left < rows.width; left += 1)
      for (let right = 0; right < rows.width; right += 1) {
        const at = (this.#fieldOf[left] as number) * count + (this.#fieldOf[right] as number);
        byField[at] = (byField[at] as number) + (byField.length > 0 ? (byFeature[left * rows.width + right] as number) : 0);
      }
    const pairs: { fields: readonly [string, string]; strength: number }[] = [];
    for (let left = 1; left < count; left += 1)
      for (let right = 0; right < left; right += 1) {
        // Half of the interaction lies on either side of the diagonal.
        const strength = 2 * Math.abs(this.#scale()) * (byField[left * count + right] as number);
        if (strength > 0) pairs.push({ fields: [this.#fields[right] as string, this.#fields[left] as string], strength });
      }
    return pairs.toSorted((left, right) => right.strength - left.strength);
  }

  #method(name: ExplanationMethod): PredictorExplainer {
    let method = this.#methods.get(name);
    if (!method) {
      const { fitted, references, background } = this.data;
      method = new PredictorExplainer({ predictor: fitted.predictor, references, background, method: name });
      this.#methods.set(name, method);
    }
    return method;
  }

  #requireAdditive(method: PredictorExplainer, contributions: Float64Array, margins: Float64Array): void {
    const error = additivityErrorOf(method, contributions, margins, this.#fieldOf.length);
    if (!(error <= ADDITIVITY_ERROR_MAX)) throw new Error(`Broken invariant: contributions add up to the margin, not ${error} beside it`);
  }

  /** Which output is explained: of two classes the one margin there is; of several the asked or predicted one. */
  #outputOf(options: ExplainOptions, predicted: string | undefined): number {
    const { task, classes } = this.data.fitted;
    if (options.class !== undefined && task !== 'multiclass')
      throw new ExplainRequestError('"class" is for models of three classes or more.', { details: { field: 'explain.class' } });
    if (task !== 'multiclass' || !classes) return 0;
    const output = classes.indexOf(options.class ?? predicted ?? '');
    if (output < 0)
      throw new ExplainRequestError(`There is no class "${options.class}".`, {
        details: { field: 'explain.class', classes: classes.slice(0, 100) },
      });
    return output;
  }

  /** Adds to the contributions of free text what each of its words does: the margin with it less the margin without it. */
  #withWords(row: Row, contributions: FieldContribution[], output: number): FieldContribution[] {
    return contributions.map((each) => {
      const text = each.value;
      if (typeof text !== 'string' || !this.#texts.has(each.field)) return each;
      const variants = variantsOf(text);
      const margins = this.#marginsOf([row, ...variants.map(({ without }) => withValue(row, each.field, without))]);
      const outputCount = margins.length / (variants.length + 1);
      const words = variants.map(({ word }, at) => ({
        word,
        effect: this.#scale() * ((margins[output] as number) - (margins[(at + 1) * outputCount + output] as number)),
      }));
      const telling = words.filter(({ effect }) => effect !== 0).toSorted((left, right) => Math.abs(right.effect) - Math.abs(left.effect));
      return { ...each, words: telling.slice(0, WORDS_NAMED) };
    });
  }

  #marginsOf(rows: readonly Row[]): Float64Array {
    const { fitted, contract } = this.data;
    return predictMargins(fitted.predictor, encodeFrame(fitted.preparation, frameFromRows(contract, rows)));
  }

  /** Regression without a logarithm is told in the target's own unit. */
  #scale(): number {
    const { task, link, scale } = this.data.fitted;
    return task === 'regression' && link !== 'log' ? scale.deviation : 1;
  }

  #shift(margin: number): number {
    const { task, link, scale } = this.data.fitted;
    return task === 'regression' && link !== 'log' ? margin * scale.deviation + scale.mean : margin;
  }

  #describe(
    row: Row,
    options: ExplainOptions,
    raw: { readonly output: number; readonly base: number; readonly margin: number; readonly contributions: Float64Array },
  ): Explanation {
    const { task, classes, link, preparation } = this.data.fitted;
    const scale = this.#scale();
    const parts = Array.from(raw.contributions, (value, at) => {
      const { field = '', name: feature = '' } = preparation.features[at] ?? {};
      return { field, feature, contribution: scale * value };
    });
    const { contributions, rest } = gatherContributions(row, parts, options.top);
    return {
      method: methodName(this.data.fitted.predictor, options.method),
      space: spaceOf(task, link),
      output: task === 'binary' ? (classes?.[1] ?? null) : (classes?.[raw.output] ?? null),
      base: this.#shift(raw.base),
      margin: this.#shift(raw.margin),
      contributions,
      rest,
    };
  }

  #counterfactuals(row: Row, options: ExplainOptions, threshold: number): { found: FoundChange[]; searched: boolean; notes: string[] } {
    if (options.counterfactuals === 0) return { found: [], searched: false, notes: [] };
    const gapOf = this.#gapTo(row, options, threshold);
    if (typeof gapOf === 'string') return { found: [], searched: false, notes: [gapOf] };
    const found = findCounterfactuals({
      row,
      ranges: this.data.ranges,
      immutable: new Set([...this.data.immutable, ...options.immutable]),
      count: options.counterfactuals,
      predictions: Math.max(PREDICTIONS_MIN, Math.floor(SEARCH_WORK_LIMIT / Math.max(1, treeCountOf(this.data.fitted.predictor)))),
      score: (rows) => gapOf(rows),
    });
    return { found, searched: true, notes: [] };
  }

  /** How far rows are over the wanted decision; or why there is none to want. */
  #gapTo(row: Row, { wanted }: ExplainOptions, threshold: number): ((rows: readonly PlainRow[]) => Float64Array) | string {
    const { fitted, contract } = this.data;
    const predict = (rows: readonly PlainRow[]) => predictFitted(fitted, frameFromRows(contract, rows));
    const { classes } = fitted;
    if (!classes) {
      if (!wanted || 'label' in wanted)
        return 'A number has no other decision: say with "wanted" what it should be, {"atLeast": n} or {"atMost": n}.';
      const sign = 'atLeast' in wanted ? 1 : -1;
      const bound = 'atLeast' in wanted ? wanted.atLeast : wanted.atMost;
      // Meeting the bound exactly is meeting it.
      const slack = Number.MIN_VALUE + Number.EPSILON * Math.abs(bound);
      const gapOf = (rows: readonly PlainRow[]) =>
        (predict(rows).values ?? new Float64Array(0)).map((value) => sign * (value - bound) + slack);
      return (gapOf([row])[0] ?? 0) > 0 ? 'The answer is within the wanted bound already.' : gapOf;
    }
    if (wanted && !('label' in wanted)) throw new ExplainRequestError('"wanted" must name a label: this model answers classes.');
    const width = classes.length;
    const chances = (rows: readonly PlainRow[]) => predict(rows).probabilities ?? new Float32Array(0);
    const own = chances([row]);
    const decided = width === 2 ? ((own[1] as number) >= threshold ? 1 : 0) : own.indexOf(Math.max(...own));
    const target = wanted ? classes.indexOf(wanted.label) : width === 2 ? 1 - decided : undefined;
    if (target !== undefined && target < 0) throw new ExplainRequestError(`There is no class "${wanted?.label}".`);
    if (target === decided) return `The decision is "${wanted?.label}" already.`;
    if (width === 2) {
      const bound = logOdds(threshold);
      const sign = target === 1 ? 1 : -1;
      return (rows) => {
        const all = chances(rows);
        return Float64Array.from(rows, (_, at) => sign * (logOdds(all[2 * at + 1] as number) - bound));
      };
    }
    return (rows) => {
      const all = chances(rows);
      return Float64Array.from(rows, (_, at) => leadOf(all.subarray(at * width, (at + 1) * width), decided, target));
    };
  }
}

/** The text without each of its first words in turn; a word that occurs again is taken out everywhere. */
function variantsOf(text: string): { word: string; without: string }[] {
  const words = [...new Set(text.slice(0, TEXT_LENGTH_EXPLAINED).match(/[^\s]+/gu))].slice(0, WORDS_TRIED);
  return words.map((word) => ({
    word: word.slice(0, WORD_LENGTH_NAMED),
    without: text
      .split(/(\s+)/u)
      .filter((part) => part !== word)
      .join(''),
  }));
}

/** How much likelier the wanted class is than any other, or without one any class than the one decided for, in log-odds. */
function leadOf(chances: Float32Array, decided: number, target: number | undefined): number {
  const wanted = target ?? decided;
  let other = 0;
  chances.forEach((chance, at) => {
    if (at !== wanted) other = Math.max(other, chance);
  });
  const lead = Math.log(Math.max(1e-12, chances[wanted] as number)) - Math.log(Math.max(1e-12, other));
  return target === undefined ? -lead : lead;
}

function logOdds(probability: number): number {
  const inside = Math.min(1 - 1e-9, Math.max(1e-9, probability));
  return Math.log(inside / (1 - inside));
}

/** What explanations of a predictor are called. */
export function methodName(predictor: Predictor, method: ExplanationMethod): string {
  if (predictor.kind === 'linear') return 'linear';
  if (predictor.kind === 'trees') return `tree-shap/${method}`;
  const kinds = new Set(predictor.members.map((member) => (member.predictor.kind === 'trees' ? `tree-shap/${method}` : 'linear')));
  return `ensemble of ${[...kinds].join(' and ')}`;
}

function treeCountOf(predictor: Predictor): number {
  return membersOf(predictor).reduce(
    (sum, member) => sum + (member.predictor.kind === 'trees' ? member.predictor.forest.trees.length : 0),
    0,
  );
}

/** Unit of a model's margins. */
export function spaceOf(task: string, link: string): Explanation['space'] {
  if (task === 'binary') return 'log-odds';
  if (task === 'multiclass') return 'class-score';
  if (task === 'ranking') return 'score';
  return link === 'log' ? 'log-value' : link === 'root' ? 'root-value' : 'value';
}
